#!/bin/sh
# Installs what the tests need beyond Python packages, where it is missing: ffprobe
# (ffmpeg), which measures the clips, and Chromium, which plays them.
set -eu

missing=""
command -v ffprobe >/dev/null 2>&1 || missing="$missing ffmpeg"
command -v "${CHROMIUM:-chromium}" >/dev/null 2>&1 || missing="$missing chromium"
for tool in "$@"; do
    command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "Missing:$missing. Install them with this system's package manager, such as" >&2
    echo "  brew install ffmpeg; brew install --cask chromium   (then set CHROMIUM=/path/to/it)" >&2
    exit 1
fi
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"
echo "Installing$missing"
$sudo apt-get update -qq
# shellcheck disable=SC2086 # one word per package
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -qq -y --no-install-recommends $missing >/dev/null
