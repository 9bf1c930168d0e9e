#!/bin/sh
# Installs what the tests need beyond Python packages, where it is missing: ffprobe
# (ffmpeg), which measures the clips, Chromium, which plays them, curl, and a Node of the
# system's, which programs run on beside the newest one.
set -eu

missing=""
command -v ffprobe >/dev/null 2>&1 || missing="$missing ffmpeg"
command -v "${CHROMIUM:-chromium}" >/dev/null 2>&1 || missing="$missing chromium"
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
command -v curl >/dev/null 2>&1 || missing="$missing curl"
for tool in "$@"; do
    command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "Missing:$missing. Install them with this system's package manager, such as" >&2
    echo "  brew install ffmpeg node; brew install --cask chromium   (then set CHROMIUM=/path/to/it)" >&2
    exit 1
fi
sudo=""
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "Missing:$missing. Install them as root: apt-get install$missing" >&2
        exit 1
    fi
    sudo="sudo"
fi
echo "Installing with apt-get:$missing"
$sudo apt-get update -qq
# shellcheck disable=SC2086 # one word per package
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
