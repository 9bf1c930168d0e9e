#!/bin/sh
# Installs what the tests need beyond Python packages, where it is missing: ffprobe
# (ffmpeg), which measures the clips, Chromium, which plays them, curl, and a Node of the
# system's, which programs run on beside the newest one.
set -eu

missing=""
command -v ffprobe >/dev/null 2>&1 || missing="$missing ffmpeg"
for browser in "${CHROMIUM:-chromium-headless-shell}" chromium chromium-browser; do
    command -v "$browser" >/dev/null 2>&1 && break
    browser=""
done
# The shell has no window, and takes half the processor time.
[ -n "$browser" ] || missing="$missing chromium-headless-shell"
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
case "$missing" in
*chromium-headless-shell*)
    # Older systems have the browser alone.
    apt-cache show chromium-headless-shell >/dev/null 2>&1 || {
        missing="${missing%%chromium-headless-shell*}chromium${missing#*chromium-headless-shell}"
    }
    ;;
esac
# shellcheck disable=SC2086 # one word per package
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
