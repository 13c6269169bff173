#!/bin/sh
# Lay another release of Debian into a new folder: debian.sh RELEASE FOLDER [OPTION OF MMDEBSTRAP]...
# The mirror and the settings (proxy, certificates, dates) are those of this machine's apt. Needs root.
set -eu
release=$1 folder=$2
shift 2

mirror() {
	# shellcheck disable=SC2016  # apt fills it in
	apt-get indextargets --format '$(REPO_URI)' \
		'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 'Component: main' | head -n 1
}

[ -n "$(mirror)" ] || apt-get update -qq # a fresh machine has no lists yet
settings=$(mktemp)
log=$(mktemp)
trap 'rm -f "$settings" "$log"' EXIT
apt-config dump | grep '^Acquire::' | grep -v '^Acquire::IndexTargets' >"$settings"
mmdebstrap --mode=root --aptopt="$settings" "$@" "$release" "$folder" "$(mirror)" >"$log" 2>&1 || {
	cat "$log"
	exit 1
}
