"""Tokens for real-time inference (wire.md §8)."""

from __future__ import annotations

from falkit_contract.conform.checks import Table
from falkit_contract.conform.probe import Probe
from falkit_contract.conform.target import REST
from falkit_spec.types import JSON

TABLE = Table()


@TABLE.add(
    "realtime.token.apps", "§12 row 15", "/tokens/, with its final slash, answers a bare string"
)
def _(probe: Probe) -> None:
    # The app by its second segment.
    app = probe.endpoint.app.split("/")[1]
    asked: JSON = {"allowed_apps": [app], "token_expiration": 120}
    reply = probe.ask("POST", f"https://{REST}/tokens/", body=asked)
    probe.code(reply, 200, 201)
    got = reply.json()
    probe.expect(isinstance(got, str) and bool(got), "a token, as a JSON string", reply.text)


@TABLE.add("realtime.token.paths", "§8", "/tokens/realtime takes whole paths, and answers {token}")
def _(probe: Probe) -> None:
    asked: JSON = {"allowed_apps": [f"{probe.endpoint.app}/realtime"], "duration": 120}
    reply = probe.ask("POST", f"https://{REST}/tokens/realtime", body=asked)
    probe.code(reply, 200, 201)
    got = reply.fields().get("token")
    probe.expect(isinstance(got, str) and bool(got), "token, a text", reply.text)
