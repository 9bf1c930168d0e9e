#!/bin/sh
# curl: a call, a job in the queue, the clip; each as a line of JSON.
set -eu
endpoint=fal-ai/ltx-2/text-to-video
input='{"prompt": "A lighthouse in the rain"}'
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

# The value of a text field; the first one of that name.
field() { sed -E "s/.*\"$1\": ?\"([^\"]*)\".*/\1/"; }
send() { curl -sS -H "Authorization: Key $FAL_KEY" "$@"; }
post() { send -H 'Content-Type: application/json' -d "$input" "$1"; }
clip() {
    about=$(curl -sS -o "$folder/clip" -w '"status": %{http_code}, "type": "%{content_type}", "size": %{size_download}' "$1")
    printf '{%s, "kind": "%s"}' "$about" "$(dd if="$folder/clip" bs=1 skip=4 count=4 2>/dev/null)"
}
show() { printf '{"client": "curl", "operation": "%s", "value": %s}\n' "$1" "$2"; }

url=$(post "https://fal.run/$endpoint" | field url)
show run "{\"code\": 200, \"clip\": $(clip "$url")}"

job=$(post "https://queue.fal.run/$endpoint")
status_url=$(printf %s "$job" | field status_url)
response_url=$(printf %s "$job" | field response_url)
statuses='' codes=''
while :; do
    code=$(send -o "$folder/status" -w '%{http_code}' "$status_url?logs=1")
    status=$(field status <"$folder/status")
    statuses="$statuses${statuses:+, }\"$status\"" codes="$codes${codes:+, }$code"
    [ "$status" != COMPLETED ] || break
done
logs=$(sed -E 's/.*"logs": ?(\[.*\]).*/\1/' <"$folder/status")
url=$(send "$response_url" | field url)
show queue "{\"statuses\": [$statuses], \"codes\": [$codes], \"logs\": $logs, \"clip\": $(clip "$url")}"
