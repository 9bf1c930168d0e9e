"""Surfaces of what models answer: files of any size and length, streams, sockets, workflows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from attack.surfaces import (
    JSON_TYPE,
    KEY,
    TEXT,
    VALUES,
    Surface,
    Then,
    handshake,
    request,
)
from falkit_spec import Object

_NUMBER: Object = {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "null"}]}
_URL: Object = {"type": "string"}
_FILE: Object = {
    "type": "object",
    "required": ["url"],
    "properties": {
        "url": _URL,
        "content_type": _URL,
        "file_size": {"type": "integer"},
        "width": {"type": "integer"},
        "height": {"type": "integer"},
    },
}
_SIDES = [1, 15, 16, 17, 1023, 4096, 4097, 10**5, 10**9, 0, -1, 0.5, "1e9", "x"]
# Fields of inputs that say what an output is like, and what they are set to.
_EXTREMES: dict[str, list[Any]] = {
    "width": _SIDES,
    "height": _SIDES,
    "image_size": [
        *("square", "portrait_16_9", "auto_4K", "1x1", "99999x99999", "1024x0", ""),
        *({"width": width, "height": height} for width in (1, 16384) for height in (2, 16384)),
    ],
    "aspect_ratio": [
        "1:1",
        "21:9",
        "9:21",
        "1:10000",
        "10000:1",
        "0:1",
        "1:0",
        "-1:2",
        "auto",
        ":",
    ],
    "resolution": ["16p", "720p", "2160p", "4K", "8K", "99999p", "1", 10**9, "0p"],
    "num_images": [1, 2, 64, 65, 10**9, 0, -1],
    "duration": [0, 0.001, 1, 5, "5s", 599, 600, 601, 10**9, "10**9", -1, "auto", 1e308],
    "num_frames": [0, 1, 2, 241, 36_000, 10**9, -5],
    "fps": [0, 0.1, 1, 23.976, 59.94, 60, 61, 10**6, -24],
    "sample_rate": [1, 8000, 44_100, 96_000, 10**9, 0],
    "output_format": [
        *("png", "jpeg", "webp", "avif", "gif", "mp4", "webm", "mov", "wav", "mp3", "flac", "ogg"),
        *("opus", "m4a", "glb", "obj", "fbx", "usdz", "ply", "zip", "tar", "mp3_44100_128", "../x"),
    ],
    "sync_mode": [True, False],
    "generate_audio": [True, False],
    "seed": [0, -1, 2**63, 10**40],
    "text": ["", "a" * 5000, "\ud800", "ü"],
    "prompt": ["", "a" * 5000, "\0", "ü"],
}
KINDS = ("image", "video", "audio", "model_glb", "lora", "frames_zip", "subtitles_srt")


def documents() -> dict[str, bytes]:
    """Return documents of models that take any figures, by file name: one for each kind of file."""
    return {f"{kind}.json": json.dumps(_document(kind)).encode() for kind in KINDS}


def _document(kind: str) -> Object:
    fields: Object = {name: {} for name in _EXTREMES}
    made: Object = {
        "type": "object",
        "properties": {kind: _FILE, "images": {"type": "array", "items": _FILE}, "seed": _NUMBER},
        "required": [kind] if kind != "image" else ["images"],
    }
    id = f"acme/{kind.replace('_', '-')}"
    return {
        "openapi": "3.0.4",
        "info": {"x-fal-metadata": {"endpointId": id}},
        "paths": {
            f"/{id}": {"post": {"requestBody": _content({"type": "object", "properties": fields})}},
            f"/{id}/requests/{{request_id}}": {"get": {"responses": {"200": _content(made)}}},
        },
    }


def _content(schema: Object) -> Object:
    return {"content": {"application/json": {"schema": schema}}}


@st.composite
def asked(draw: st.DrawFn) -> bytes:
    """A call of one of these models: a few fields of any size, or of any kind."""
    names = draw(st.lists(st.sampled_from([*_EXTREMES]), max_size=6, unique=True))
    odd = st.just(None) | VALUES
    input = {
        name: draw(st.sampled_from(_EXTREMES[name]) if draw(st.integers(0, 9)) else odd)
        for name in names
    }
    kind = draw(st.sampled_from(KINDS)).replace("_", "-")
    host = draw(st.sampled_from(["fal.run", "fal.run", "queue.fal.run"]))
    return request("POST", f"/{host}/acme/{kind}", [KEY, JSON_TYPE], json.dumps(input).encode())


_RANGES = st.sampled_from(
    [
        *("bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0", "bytes=1-0", "bytes=99999999999999-"),
        *("bytes=0-0,2-3", "bytes=" + "0-1," * 500, "bytes=", "bytes=x", "lines=1-2", "bytes=5-9"),
        *("bytes=-99999999999999999999", "bytes=1000-1999", "bytes= 0 - 1"),
    ]
)
_TAILS = st.sampled_from(
    ["", "", "", "", "/", "?x=1", "?download=1", ".png", "%00", "/../x", "%2f", "#x"]
)


@st.composite
def fetched(draw: st.DrawFn) -> Callable[[str], bytes]:
    """What is asked of a file that was answered, by its path."""
    verb = draw(st.sampled_from(["GET", "GET", "GET", "HEAD", "OPTIONS", "PUT", "DELETE"]))
    rows: list[tuple[str, str]] = []
    if draw(st.booleans()):
        rows.append(("range", draw(_RANGES)))
    if draw(st.booleans()):
        name = draw(st.sampled_from(["if-range", "if-none-match", "if-modified-since", "accept"]))
        rows.append((name, draw(TEXT | st.sampled_from(["*", '"x"', "Thu, 01 Jan 1970 00:00:00"]))))
    tail = draw(_TAILS)
    return lambda path: request(verb, f"{path}{tail}", rows)


def _framed(head: int, payload: bytes, claimed: int | None = None) -> bytes:
    """Return a frame of any length, under a mask that changes nothing."""
    size = len(payload) if claimed is None else claimed
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 1 << 16:
        length = b"\xfe" + size.to_bytes(2)
    else:
        length = b"\xff" + (size & (1 << 64) - 1).to_bytes(8)
    return bytes([head]) + length + bytes(4) + payload


def _packed(value: object) -> bytes:
    data: bytes = import_module("msgpack").packb(value)
    return data


_LARGE = st.sampled_from(
    [
        b"\x91" * 5000 + b"\xc0",
        b"\x91" * 400_000,
        b"\x81\xa1a" * 3000 + b"\xc0",
        b"\xdf\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff" + b"\xc0" * 1000,
        b"\xc6\xff\xff\xff\xff" + bytes(100),
        b"\xdb\x7f\xff\xff\xff" + bytes(100),
        b"\xc9\x00\x00\x00\x04\x01abcd",
        b"\xd6\xff\xff\xff\xff\xff",
        b"\xc1",
        b"\x82\xa1a\x01\xa1a\x02",
        b"\x81\x01\x02",
        b"\x81\xa6prompt\xa2\xff\xff",
        b"\x81\xa6prompt\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
        _packed({"prompt": "a" * 300_000}),
        _packed({"prompt": "a", "image_url": bytes(900_000)}),
        _packed({"prompt": "a", "more": [*range(100_000)]}),
        _packed({"prompt": "a", "more": [{"a": 1}] * 50_000}),
        b'{"prompt": "' + b"a" * 300_000 + b'"}',
        b"[" * 100_000,
        b'{"a":' * 500 + b"1" + b"}" * 500,
        b'{"prompt": ' + b"9" * 5000 + b"}",
    ]
)


@st.composite
def large_frames(draw: st.DrawFn) -> bytes:
    """Frames of large inputs, whole and in pieces, with others between, and lengths that lie."""
    sent = b""
    for _ in range(draw(st.integers(1, 3))):
        payload = draw(_LARGE)
        kind = draw(st.sampled_from([0x1, 0x2, 0x2]))
        pieces = draw(st.sampled_from([1, 1, 2, 7, 300]))
        step = max(1, -(-len(payload) // pieces))
        parts = [payload[at : at + step] for at in range(0, len(payload), step)]
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            sent += _framed(last << 7 | (0 if number else kind), part)
            if draw(st.integers(0, 20)) == 0:
                sent += draw(st.sampled_from([_framed(0x89, b"x"), _framed(0x81, b"{}"), b"\x80"]))
    return sent + draw(
        st.sampled_from(
            [b"", _framed(0x88, b""), _framed(0x82, b"x", 2**63), _framed(0x81, b"", 2**40)]
        )
    )


_APPS = (
    "fal-ai/flux/dev",
    "acme/image",
    "acme/nothing",
    "workflows/execute",
    "acme/video",
    "x",
    "",
)
_REFERENCES = st.sampled_from(
    [
        *(
            "$input",
            "$input.prompt",
            "$a",
            "$b.images.0.url",
            "$c.video",
            "$a.a.a.a",
            "$",
            "$$",
            "$x",
        ),
        *("$a.images.99999999999999999999", "$a.-1", "$input." + ".".join("x" * 100), "plain"),
    ]
)


@st.composite
def definitions(draw: st.DrawFn) -> bytes:
    """Workflows that are sent: circles, references, steps that refuse, and what is none."""
    value = st.recursive(
        _REFERENCES | VALUES,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=8,
    )
    names = st.sampled_from(["a", "b", "c", "input", "output", "x"])
    node = st.fixed_dictionaries(
        {"app": st.sampled_from(_APPS)},
        optional={
            "type": st.sampled_from(["run", "display", "input", "other"]),
            "depends": st.lists(names, max_size=3),
            "input": st.dictionaries(st.sampled_from(["prompt", "sync_mode", "x"]), value) | VALUES,
            "fields": st.dictionaries(TEXT, value, max_size=3),
        },
    )
    nodes: Any = draw(st.dictionaries(names, node | VALUES, max_size=5))
    match draw(st.integers(0, 15)):
        case 0:
            nodes = {f"n{number}": {"app": "acme/image"} for number in range(100)}
        case 1:
            size = {"image_size": {"width": 4096, "height": 4096}, "num_images": 64}
            nodes = {"a": {"app": "acme/image", "input": {"sync_mode": True, **size}}}
        case 2:
            nodes = {"a": {"app": "acme/image", "input": {"x": ["$input"] * 900}}}
        case 3:
            nodes = {f"n{n}": {"app": "acme/image", "depends": [f"n{n - 1}"]} for n in range(1, 90)}
        case _:
            pass
    workflow = draw(st.just(nodes) | st.just({"nodes": nodes, "output": draw(value)}))
    input = draw(st.just({"prompt": "a"}) | st.just({"prompt": "a" * 70_000}) | VALUES)
    body = json.dumps({"input": input, "workflow": workflow}).encode()
    way = draw(st.sampled_from(["/fal.run/{}", "/fal.run/{}/stream", "/queue.fal.run/{}"]))
    return request("POST", way.format("workflows/execute"), [KEY, JSON_TYPE], body)


_FILE_URL = re.compile(rb"http://[^/\"]+(/[^\"\s]*?/files/[^\"\s]+)")


def path_in(answer: bytes) -> str | None:
    """Return the path of the first file that an answer names."""
    found = _FILE_URL.search(answer)
    return quote(found[1].decode("latin-1"), safe="/%:") if found else None


OUTPUTS = [
    Surface(
        "large frames",
        large_frames(),
        raw=True,
        opening=handshake("/fal.run/acme/canvas/realtime?max_buffering=3"),
    ),
    # Pillow needs 20 bytes for a pixel of AVIF, and makes two at once.
    Surface("outputs", asked(), then=Then(fetched(), path_in), memory=1000),
    # A hundred steps, one after the other, would take five seconds.
    Surface("workflows", definitions(), memory=400, options=("--timing", "instant")),
]
