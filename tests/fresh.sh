#!/bin/sh
# Try HEAD as a newcomer does: `make run`, an event and `make test` on a fresh Debian that has python3, git and make.
# fresh.sh RELEASE, such as trixie. Needs root, and the ports of config/relay.yaml. All of it lies in a temporary
# folder; mounts and processes live in namespaces of their own, which end with this script however it ends.
set -eu
cd "$(dirname "$0")/.."
release=$1
health=http://127.0.0.1:8081/healthz

# What follows runs as the first process of the namespaces, with the fresh Debian in $2.
mount_and_enter() {
	mount --bind "$1" "$1" # a root that is a mount, so that what runs in it may have namespaces too
	mount -t proc proc "$1/proc"
	mount --rbind /sys "$1/sys"
	mount --rbind /dev "$1/dev" # with pts and shm
	exec chroot "$1" sh /srv/relay/tests/fresh.sh "$release" try
}

answers() { python3 -c "import urllib.request; urllib.request.urlopen('$health', timeout=5)" 2>/dev/null; }

try_it() {
	echo "$release: $(python3 --version), $(git --version), $(make --version | head -n 1)"
	! answers || { echo "$release: somebody answers on $health already" && exit 1; }
	make run &
	run=$!
	until answers; do
		kill -0 "$run" 2>/dev/null || { echo "$release: make run ended before it answered" && exit 1; }
		sleep 1
	done
	sent=0 stopped=0 tested=0
	echo '{"name": "Lan"}' | .venv/bin/relay send hello || sent=$?
	kill -TERM "$(cat "/proc/$run/task/$run/children")" # the relay itself: make tells how it ended
	wait "$run" || stopped=$?
	make test || tested=$?
	echo "$release: relay send hello: $sent; make run, after SIGTERM: $stopped; make test: $tested (exit codes)"
	[ "$sent$stopped$tested" = 000 ]
}

case ${2:-} in
try) try_it; exit ;;
"") ;;
*) mount_and_enter "$2" ;;
esac

folder=$(mktemp -d)
finish() {
	[ -z "${job:-}" ] || kill -KILL "$job" 2>/dev/null || true
	wait
	rm -rf --one-file-system "$folder"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM
sh tests/debian.sh "$release" "$folder" --variant=minbase --include=python3,git,make
git clone --quiet --no-local . "$folder/srv/relay"

# How this machine reaches its packages: names, certificates, settings of pip and npm, by file and by variable.
for path in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt /usr/local/share/ca-certificates \
	/etc/pip.conf "$HOME/.pip" "$HOME/.config/pip" "$HOME/.npmrc" $(echo "${PIP_FIND_LINKS:-}" | grep '^/'); do
	[ ! -e "$path" ] || cp --recursive --dereference --parents "$path" "$folder"
done
set -- HOME="$HOME" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
for name in $(env | grep -iE '^(pip_|npm_config_|[a-z]+_proxy=|ssl_cert|[a-z_]*ca_(bundle|certs|info)=)' | cut -d= -f1); do
	eval "set -- \"\$@\" \"$name=\$$name\""
done
env -i "$@" unshare --mount --pid --fork --kill-child sh tests/fresh.sh "$release" "$folder" &
job=$!
wait "$job"
