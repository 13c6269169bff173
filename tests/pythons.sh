#!/bin/sh
# Run the suites that need Python alone on every Python of the classifiers in pyproject.toml but .venv's own,
# as many at a time as there are processors; or on those that are given: pythons.sh 13 14.
# A Python that the machine lacks comes out of Debian's packages, unpacked in .pythons, not installed.
set -eu
cd "$(dirname "$0")/.."

if [ $# != 1 ]; then
	[ $# != 0 ] || {
		own=$(.venv/bin/python -c 'import sys; print(sys.version_info.minor)')
		# shellcheck disable=SC2046
		set -- $(sed -n 's/.*Python :: 3\.\([0-9]*\)".*/\1/p' pyproject.toml | grep -vx "$own")
	}
	printf '%s\n' "$@" | xargs -n 1 -P "$(nproc)" sh tests/pythons.sh
	exit
fi

minor=$1
home=$PWD/.pythons/3.$minor
debian=$home/debian
venv=$home/venv
log=$home/log
suites=""
for folder in tests/unit tests/stores tests/contract; do [ ! -d "$folder" ] || suites="$suites $folder"; done

tell() { echo "Python ${version:-3.$minor}: $*"; }

# Print the path of a Python 3.$minor that can make a virtual environment, on PATH or among those of pyenv.
at_hand() {
	for candidate in "$(command -v "python3.$minor")" "$(pyenv prefix "3.$minor")/bin/python3.$minor"; do
		"$candidate" -c 'import ensurepip' && echo "$candidate" && return
	done 2>/dev/null
	return 1
}

# Unpack Debian's Python 3.$minor, or return why not.
unpack() {
	case $minor in
	11) release=bookworm ;;
	13) release=trixie ;;
	14) release=forky ;;
	*) why="no release of Debian has it" && return 1 ;;
	esac
	[ ! -d "$debian" ] || return 0
	[ "$(id -u)" = 0 ] || { why="only root can run Debian's" && return 1; }
	case $PWD in /usr/*) why="Debian's would stand in the place of this checkout" && return 1 ;; esac
	command -v mmdebstrap >/dev/null || { why="mmdebstrap is needed for Debian's" && return 1; }
	unshare --mount true 2>/dev/null || { why="Debian's can't be mounted in this container" && return 1; }
	rm -rf "$debian.part"
	sh tests/debian.sh "$release" "$debian.part" --variant=extract \
		--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
		--include="python3.$minor-venv,libc-bin,libstdc++6" >"$log" ||
		{ why="Debian's could not be had: $(tail -n 1 "$log")" && return 1; }
	mv "$debian.part" "$debian"
}

# Run a command that sees the unpacked /usr in the place of the machine's, but for /usr/local; nobody else sees it.
inside() {
	mkdir -p "$debian/usr/local"
	# shellcheck disable=SC2016
	unshare --mount sh -c '
		mount --rbind /usr/local "$0/usr/local" && mount --rbind "$0/usr" /usr && exec "$@"
	' "$debian" "$@"
}

mkdir -p "$home"
if python=$(at_hand); then
	with="env"
elif unpack; then
	python=/usr/bin/python3.$minor with="inside"
else
	tell "not run: it is not on this machine, and $why"
	exit
fi
version=$($with "$python" -c 'import platform; print(platform.python_version())')

# The virtual environment is made anew when the Python or the lock is another.
state="$python $version $(cksum <requirements-dev.lock)"
if [ "$state" != "$(cat "$venv/state" 2>/dev/null)" ]; then
	rm -rf "$venv"
	{
		$with "$python" -m venv "$venv" &&
			$with "$venv/bin/pip" --quiet --disable-pip-version-check --no-input install \
				--require-hashes --requirement requirements-dev.lock
	} >"$log" 2>&1 || { tell "the locked versions can't be installed" && cat "$log" && exit 1; }
	echo "$state" >"$venv/state"
fi

# Nothing is written into the checkout but below .pythons.
export PYTHONPYCACHEPREFIX="$home/pycache" HYPOTHESIS_STORAGE_DIRECTORY="$home/hypothesis"
# shellcheck disable=SC2086
if $with "$venv/bin/python" -m pytest -p no:cacheprovider $suites >"$log" 2>&1; then
	tell "${suites# }: $(tail -n 1 "$log")"
else
	tell "${suites# } fail" && grep -v '^[.sFEx]* *\[' "$log"
	exit 1
fi
