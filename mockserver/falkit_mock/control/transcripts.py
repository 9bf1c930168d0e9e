"""One request of the log with headers and bodies, secrets masked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote_plus

from falkit_mock.core import MASK, REAL_KEY, is_secret, masked
from falkit_mock.core.identity import key_id
from falkit_mock.core.transcripts import MOST, PIECES, Body, Transcript
from falkit_spec import JSON

# What tells secrets by its name, beside what the names of secrets have in them.
_HEADERS = ("cookie", "set-cookie")
# A JSON Web Token, and the value that a body has under a secret's name.
_TOKEN = re.compile(r"(?<![\w-])eyJ[\w-]+\.[\w-]+\.[\w-]*")
_NAMES = "token|secret|password|jwt|api_?key|credential"
_VALUE = re.compile(rf'("[^"\\]*(?:{_NAMES})"\s*:\s*)"(?:[^"\\]|\\.)*"', re.I)
_URL = re.compile(r"https?://[^\s\"'<>\\]+", re.I)

NOT_KEPT = f"isn't kept: the newest {MOST} are, as far as they have room, unless with --no-page"


def transcript_json(found: Transcript) -> dict[str, JSON]:
    """Return a request as the log has it, and what was sent and answered."""
    record = found.record
    query = "&".join(map(_pair, found.query.decode("latin-1").split("&")))
    target = f"{record.path}?{query}" if query else record.path
    headers = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in found.headers)
    response: dict[str, JSON] | None = None
    if found.replied is not None:
        response = {
            "status_code": record.status,
            "headers": _headers(found.replied.items()),
            **_body(found.body, "pieces"),
        }
    request: dict[str, JSON] = {"target": masked(target), "headers": _headers(headers)}
    return {
        **record.as_json(),
        "request": {**request, **_body(found.sent, "unread")},
        "response": response,
    }


def _pair(pair: str) -> str:
    """Return a part of a query; a receiver's URL in it may have secrets of its own."""
    name, equals, value = pair.partition("=")
    text = unquote_plus(value)
    return pair if masked(text) == text else f"{name}{equals}{quote(masked(text), safe='/:@*')}"


def _headers(given: Iterable[tuple[str, str]]) -> dict[str, JSON]:
    found: dict[str, JSON] = {}
    for name, value in given:
        shown = _header(name.lower(), value)
        found[name] = f"{found[name]}, {shown}" if name in found else shown
    return found


def _header(name: str, value: str) -> str:
    if name in ("authorization", "proxy-authorization"):
        scheme, _, _ = value.strip().partition(" ")
        # Whose key it was is told everywhere.
        whose = f"{key_id(value)}:" if scheme.lower() == "key" and ":" in value else ""
        return f"{scheme} {whose}{MASK}"
    return MASK if name in _HEADERS or is_secret(name) else _masked(value)


def _body(body: Body, none: str) -> dict[str, JSON]:
    """Return a body as text, or why it isn't there; `none` says why one is that is None."""
    if body is None or body == PIECES:
        return {"size": None, "body": None, "left_out": none if body is None else "pieces"}
    if isinstance(body, int):
        return {"size": body, "body": None, "left_out": "long"}
    try:
        text = _masked(_VALUE.sub(rf'\1"{MASK}"', body.decode()))
    except UnicodeDecodeError:
        return {"size": len(body), "body": None, "left_out": "binary"}
    return {"size": len(body), "body": text, "left_out": None}


def _masked(text: str) -> str:
    """Return a text without tokens and keys, and its URLs without their secrets."""
    plain = REAL_KEY.sub(MASK, _TOKEN.sub(MASK, text))
    return _URL.sub(lambda found: masked(found[0]), plain)
