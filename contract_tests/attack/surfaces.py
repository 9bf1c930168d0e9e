"""What is attacked, a line each: a name, where it is, and a strategy for what is sent there."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, TypeAlias
from urllib.parse import quote

from hypothesis import strategies as st

from attack.zoo import ANIMALS
from falkit_mock.control.routes import METHODS, operations
from falkit_mock.core.network import ROLES
from falkit_spec import Catalog
from falkit_spec.schema import ordered

Bytes: TypeAlias = st.SearchStrategy[bytes]

KEY = ("authorization", "Key falkit:falkit")
JSON_TYPE = ("content-type", "application/json")
IDS = [endpoint.id for endpoint in Catalog.vendored() if endpoint.app == "fal-ai/ltx-2"]
HOSTS = sorted(ROLES)
VERBS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "X"]
RID = "019b76da-a801-7d26-9031-509bbc3d4db4"
TEXT = st.text(max_size=40)
NUMBERS = st.integers() | st.floats() | st.sampled_from([10**400, -(10**30), 1e308, 2**63])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
FIELDS = sorted({name for each in Catalog.vendored() for name in ordered(each.input_schema)})


def request(
    method: str, target: str, headers: list[tuple[str, str]] | None = None, body: bytes = b""
) -> bytes:
    """Return a request; of what a header can't hold, question marks."""
    rows = [("host", "127.0.0.1"), ("connection", "close"), *(headers or [])]
    if body:
        rows.append(("content-length", str(len(body))))
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in rows) + "\r\n"
    return head.encode("latin-1", "replace") + body


def mangled(whole: Bytes) -> Bytes:
    """Return the bytes of a strategy with a few places cut, doubled or overwritten."""

    @st.composite
    def mangle(draw: st.DrawFn) -> bytes:
        data = draw(whole)
        for _ in range(draw(st.integers(0, 4))):
            at = draw(st.integers(0, len(data)))
            end = min(len(data), at + draw(st.integers(0, 30)))
            data = (
                data[:at] + draw(st.binary(max_size=10)) + data[draw(st.sampled_from([at, end])) :]
            )
        return data

    return mangle()


_JSONS = VALUES.map(json.dumps).map(str.encode)
_HEADER_VALUES = TEXT | st.sampled_from(
    [
        *("", "0", "-1", "1e999", "nan", "{}", "[" * 300, "x" * 9000, "1,2", "true", "\x80"),
        "image_load_error",
    ]
)
_HEADERS = st.sampled_from(
    [
        *(
            "authorization",
            "content-type",
            "content-length",
            "transfer-encoding",
            "range",
            "origin",
        ),
        *(
            "if-range",
            "if-none-match",
            "expect",
            "upgrade",
            "connection",
            "host",
            "accept",
            "cookie",
        ),
        *("x-fal-target-url", "x-fal-queue-priority", "x-fal-request-start-timeout", "x-fal-tags"),
        *("x-fal-request-timeout", "x-fal-object-lifecycle-preference", "x-fal-store-io"),
        *("x-fal-runner-hint", "x-fal-no-retry", "x-fal-retry-config", "x-falkit-fault"),
        *("x-fal-file-name", "x-falkit-client", "sec-fetch-site", "idempotency-key"),
    ]
)
_SEGMENTS = st.sampled_from(
    [
        *IDS,
        *("requests", RID, "status", "stream", "cancel", "response", "files", "b", "upload"),
        *("multipart", "storage", "initiate", "auth", "token", "tokens", "realtime", "v1"),
        "models",
        *("pricing", "usage", "billing-events", "api", "openapi", "queue", "..", ".", "", "%2e%2e"),
        *("workflows", "comfy", "%00", "%ff", "a b", "ü", "x" * 3000, ".well-known", "jwks.json"),
    ]
)
# Most are escaped, since a parser refuses all else before the mock has it.
_ODD = TEXT.map(partial(quote, safe="")) | TEXT
_PATHS = st.lists(_SEGMENTS.map(partial(quote, safe="%/")) | _ODD, max_size=6).map("/".join)
_QUERIES = st.lists(
    st.tuples(
        st.sampled_from(
            ["logs", "fal_webhook", "fal_max_queue_length", "limit", "cursor", "url", "x"]
        ),
        _ODD | st.sampled_from(["1", "-1", "1e9", "%", "%zz", "http://127.0.0.1:9/h", "%00"]),
    ),
    max_size=3,
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))


@st.composite
def any_request(draw: st.DrawFn, *, headers: int = 2) -> bytes:
    """A request to any host of fal's."""
    query = draw(_QUERIES)
    target = f"/{draw(st.sampled_from(HOSTS))}/{draw(_PATHS)}" + (f"?{query}" if query else "")
    rows = draw(st.lists(st.tuples(_HEADERS, _HEADER_VALUES), max_size=headers))
    return request(draw(st.sampled_from(VERBS)), target, [KEY, *rows], draw(st.binary(max_size=50)))


@st.composite
def inputs(draw: st.DrawFn) -> bytes:
    """A call of a model with whatever may be JSON."""
    fields = st.dictionaries(st.sampled_from(FIELDS) | TEXT, VALUES, max_size=6)
    value = draw(fields | VALUES)
    body = json.dumps(value).encode()
    host = draw(st.sampled_from(["fal.run", "queue.fal.run"]))
    return request("POST", f"/{host}/{draw(st.sampled_from(IDS))}", [KEY, JSON_TYPE], body)


def called(media: Bytes) -> Bytes:
    """Return calls of the models that take media, with these as data URIs."""

    @st.composite
    def call(draw: st.DrawFn) -> bytes:
        uri = draw(media).decode("latin-1")
        names = ("image_url", "video_url", "audio_url")
        input = {"prompt": "a", "duration": 6} | dict.fromkeys(names, uri)
        body = json.dumps(input).encode()
        id = draw(st.sampled_from([id for id in IDS if "text-to-video" not in id]))
        return request("POST", f"/fal.run/{id}", [KEY, JSON_TYPE], body)

    return call()


_LABELS = [
    "data:image/png;base64",
    "data:;base64",
    "data:text/html",
    "data:video/mp4;base64",
    "DATA:",
]


@st.composite
def data_uris(draw: st.DrawFn) -> bytes:
    text = draw(st.binary(max_size=200) | st.sampled_from(ANIMALS))
    payload = draw(st.sampled_from([base64.b64encode(text), text, text.hex().encode()]))
    label = draw(st.sampled_from(_LABELS) | st.text("da:t;,base64/ %\r\n", max_size=20))
    return label.encode() + draw(st.sampled_from([b",", b"", b", ", b",\n"])) + payload


def _as_data_uri(data: bytes) -> bytes:
    return b"data:image/png;base64," + base64.b64encode(data)


@st.composite
def uploads(draw: st.DrawFn) -> bytes:
    """The requests of an upload, whole or in parts, with whatever in them."""
    path = draw(
        st.sampled_from(
            [
                "rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3",
                "rest.fal.ai/storage/upload/initiate-multipart?storage_type=fal-cdn-v3",
                "rest.fal.ai/storage/auth/token?storage_type=fal-cdn-v3",
                "rest.fal.ai/tokens/",
                "rest.fal.ai/tokens/realtime",
                "v3.fal.media/files/upload",
                "v3.fal.media/files/upload/multipart",
                "v3.fal.media/files/b/0a0a0a0a/x.png/multipart/u/1",
                "v3.fal.media/files/b/0a0a0a0a/x.png/multipart/u/complete",
                "api.fal.ai/v1/storage/settings",
            ]
        )
    )
    names = st.sampled_from(
        ["file_name", "content_type", "parts", "partNumber", "etag", "allowed_apps"]
    )
    body = json.dumps(draw(st.dictionaries(names, VALUES, max_size=4) | VALUES)).encode()
    rows = draw(st.lists(st.tuples(_HEADERS, _HEADER_VALUES), max_size=1))
    return request(draw(st.sampled_from(["POST", "PUT"])), f"/{path}", [KEY, *rows], body)


_OPERATIONS = [
    *((str(one["method"]), str(one["path"])) for one in operations()),  # type: ignore[index, call-overload]
    *(("GET", "/"), ("GET", "/__falkit/page/{name}"), ("POST", "/__falkit/page/session")),
]


_NAMES = st.sampled_from(["url", "images", "choices", "output", "partial"])
_OUTPUTS = st.sampled_from(["/etc/passwd", ".", "\0"]) | st.dictionaries(_NAMES, VALUES, max_size=3)
_PINS = _OUTPUTS.map(lambda one: {"output": one, "endpoint": "*", "check": False, "times": 9})


@st.composite
def control(draw: st.DrawFn) -> bytes:
    """A request to the control API, by its own document."""
    method, path = draw(st.sampled_from(_OPERATIONS))
    while "{" in path:
        name = path.partition("{")[2].partition("}")[0]
        path = path.replace(f"{{{name}}}", draw(st.sampled_from([RID, "1", "%00", "x", IDS[0]])), 1)
    if path.endswith("/events") or "wait" in path:
        path = "/__falkit/clock"
    names = st.sampled_from(
        ["rule", "rules", "seed", "seconds", "now", "keep_rules", "url", "kind", "input", "status"]
    )
    fields = st.dictionaries(names, VALUES | _PINS, max_size=3) | VALUES
    body = json.dumps(draw(fields)).encode()
    verb = draw(st.sampled_from([method, *map(str.upper, METHODS)]))
    query = draw(
        st.sampled_from(["", "?limit=1", "?limit=x", "?text=x&total=1", "?offset=1e9", "?\x00"])
    )
    return request(verb, path + query, [("x-falkit-client", "attack")], body)


def _archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in (("meta.json", b'{"format": 2}'), ("store.sqlite", b"SQLite format 3\0")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


_ARCHIVE = _archive()


def _import(data: bytes) -> bytes:
    return request("PUT", "/__falkit/state", [("content-type", "application/x-tar")], data)


_WEBHOOKS = TEXT | st.sampled_from(
    [
        "http://127.0.0.1:9/",
        "https://[::1]:9",
        "http://a b",
        "ftp://x",
        "http://127.0.0.1:9/?" + "?token" * 1500,
        "http://" + "a" * 9000,
    ]
)


@st.composite
def webhooks(draw: st.DrawFn) -> bytes:
    target = f"/queue.fal.run/{draw(st.sampled_from(IDS))}?fal_webhook="
    raw = draw(_WEBHOOKS)
    return request(
        "POST", target + draw(st.sampled_from([quote(raw), quote(raw, safe="")])), [KEY], b"{}"
    )


def handshake(path: str) -> bytes:
    rows = [
        KEY,
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]
    return request("GET", path, rows).replace(b"connection: close", b"connection: upgrade")


def _packed(value: object) -> bytes:
    try:
        data: bytes = import_module("msgpack").packb(value)
    except (OverflowError, ValueError):
        # What it can't hold, such as a number of a hundred digits.
        return b"\xc1"
    return data


_PACKED = VALUES.map(_packed) | st.just(_packed({"prompt": "a"}))


@st.composite
def streamed(draw: st.DrawFn) -> bytes:
    """Calls that are answered by events."""
    paths = ["fal-ai/flux-lora/stream", "fal-ai/speech-to-text/stream", "fal-ai/flux/dev/stream"]
    path = draw(
        st.sampled_from([*paths, "openrouter/router/stream", "workflows/acme/sticker/stream"])
    )
    usual = st.just({"prompt": "a", "audio_url": "https://example.com/a.mp3", "model": "a"})
    more = st.dictionaries(st.sampled_from(FIELDS) | TEXT, VALUES, max_size=4)
    body = json.dumps(draw(usual) | draw(more)).encode()
    host = draw(st.sampled_from(["fal.run", "queue.fal.run"]))
    verb = draw(st.sampled_from(["POST", "POST", "POST", "GET", "PUT"]))
    fault = draw(st.sampled_from(["", "half_reply", "reply_lost", "internal_server_error"]))
    rows = [KEY, JSON_TYPE, *([("x-falkit-fault", fault)] if fault else [])]
    return request(verb, f"/{host}/{path}", rows, body)


@st.composite
def frames(draw: st.DrawFn, bodies: Bytes = _JSONS) -> bytes:
    """WebSocket frames: inputs, pieces of them, control frames, lengths that lie."""
    sent = b""
    for _ in range(draw(st.integers(1, 4))):
        payload = draw(st.binary(max_size=130) | st.just(b'{"prompt": "a"}') | bodies)
        head = draw(st.sampled_from([0x81, 0x81, 0x82, 0x01, 0x80, 0x88, 0x89, 0x8A, 0xC1, 0x83]))
        length = draw(st.just(min(len(payload), 125)) | st.integers(0, 127))
        mask = draw(st.binary(min_size=4, max_size=4))
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload[:125]))
        sent += bytes([head, 0x80 | length]) + mask + masked
    return sent


@st.composite
def proxied(draw: st.DrawFn) -> bytes:
    """What a proxy is sent: tunnels, whole URLs, TLS that is none."""
    host = draw(st.sampled_from([*HOSTS, "example.com", "[::1]", "x" * 300, "fal.run:443"]))
    return draw(
        st.sampled_from(
            [
                request("GET", f"http://{host}/health"),
                request("POST", f"https://{host}/{IDS[0]}", [KEY, JSON_TYPE], b'{"prompt": "a"}'),
                f"CONNECT {host}:443 HTTP/1.1\r\n\r\n".encode() + b"\x16\x03\x01" + bytes(60),
                f"CONNECT {host}:80 HTTP/1.1\r\n\r\n".encode() + request("GET", "/health"),
                b"\x16\x03\x01\x02\x00\x01" + host.encode("utf-8"),
                request("GET", "/__falkit/health"),
            ]
        )
    )


@dataclass(frozen=True)
class Then:
    """What is sent once there is an answer: by what is found in it."""

    requests: st.SearchStrategy[Callable[[str], bytes]]
    find: Callable[[bytes], str | None]
    # Whether what was found must be there, whoever is asked.
    known: bool = False


@dataclass(frozen=True)
class Surface:
    """A part of the mock: requests to it, and whether they go to the gateway."""

    name: str
    requests: Bytes
    gateway: bool = False
    # Whether a request may be no HTTP, and then need not be answered.
    raw: bool = False
    # What a connection begins with, such as a handshake.
    opening: bytes = b""
    # Server errors that a request may well ask for.
    asked: tuple[int, ...] = (501,)
    then: Then | None = None
    # MiB that the mock may have in memory meanwhile.
    memory: int = 200
    # What the mock is started with; those with the same options share one.
    options: tuple[str, ...] = ()
    # How many mocks there are, which share a Redis where they are several.
    replicas: int = 1


_SOCKET = handshake("/fal.run/acme/canvas/realtime?max_buffering=3")
SURFACES = [
    Surface("bytes", mangled(any_request()), raw=True),
    Surface("gateway", mangled(proxied()), raw=True, gateway=True, asked=(501, 502)),
    Surface("paths", any_request(headers=0)),
    Surface("headers", any_request(headers=8)),
    Surface("JSON", inputs()),
    Surface("bodies", mangled(inputs()), raw=True),
    Surface("data URIs", called(data_uris())),
    Surface("images", called(mangled(st.sampled_from(ANIMALS)).map(_as_data_uri))),
    Surface("uploads", uploads()),
    Surface("control", control()),
    Surface("archives", mangled(st.just(_ARCHIVE)).map(_import)),
    Surface("webhooks", webhooks()),
    Surface("WebSockets", frames(), raw=True, opening=handshake(f"/ws.fal.run/{IDS[0]}")),
    Surface("streams", streamed(), asked=(501, 500, 503)),
    Surface("realtime", frames(_PACKED), raw=True, opening=_SOCKET),
]
