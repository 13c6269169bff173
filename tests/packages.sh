#!/bin/sh
# The Debian packages that the tests start for real; installs those that are missing.
set -eu
missing=""
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need prometheus prometheus
need prometheus-alertmanager prometheus-alertmanager
need nginx nginx-light
need wrk wrk
need npm npm
need openssl openssl
need curl curl
need cc "gcc libc6-dev"
need faketime faketime
need valgrind valgrind
need taskset util-linux
need mmdebstrap mmdebstrap
need chromium chromium
need pdftotext poppler-utils
[ -e /usr/share/fonts/truetype/noto/NotoSans-Regular.ttf ] || missing="$missing fonts-noto-core"
[ -e /usr/share/fonts/truetype/noto/NotoSansMono-Regular.ttf ] || missing="$missing fonts-noto-mono"
[ "${1:-}" != bench ] || need redis-server redis-server
[ -z "$missing" ] && exit 0
echo "installing$missing"
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"
$sudo apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
