"""The independent verifiers behind one call, and the one Node that some of them share."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import IO

from client.webhooks.published import Verifier, as_jose, as_the_sample
from client.webhooks.signing import Sent
from clients.javascript_client import HERE, READY, node
from processes import started

PROGRAM = HERE / "webhooks.mjs"
# Those that read no key that is padded, as fal's are.
STRICT = ("python, strict JOSE", "node, strict JOSE")
# A key set's URL, a delivery, and the moment it comes: whether it is good.
Accepts = Callable[[str, Sent, float], bool]


def in_python(decode: Callable[..., bytes]) -> Accepts:
    """Return a verifier of published.py."""
    verifier = Verifier(decode)
    return lambda url, sent, now: verifier.accepts(url, sent.headers, sent.body, now)


def in_node(process: subprocess.Popen[str], mode: str) -> Accepts:
    """Return a verifier of webhooks.mjs."""

    def accepts(url: str, sent: Sent, now: float) -> bool:
        body = base64.b64encode(sent.body).decode()
        asked = {"mode": mode, "url": url, "headers": dict(sent.headers), "body": body, "now": now}
        lines, answers = _streams(process)
        lines.write(f"{json.dumps(asked)}\n")
        lines.flush()
        answer = answers.readline()
        assert answer, "Node ended"
        return json.loads(answer) is True

    return accepts


def _streams(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


@contextmanager
def independent() -> Generator[dict[str, Accepts]]:
    """The verifiers by name, for the length of the block."""
    assert READY.exists(), "jose isn't installed; run: make javascript"
    with started([node(), str(PROGRAM)], stdin=subprocess.PIPE) as process:
        yield {
            "python, as the sample": in_python(as_the_sample),
            "python, strict JOSE": in_python(as_jose),
            "node, as the sample": in_node(process, "sample"),
            "node, JWK": in_node(process, "jwk"),
            "node, jose": in_node(process, "jose"),
            "node, strict JOSE": in_node(process, "strict"),
        }
        # The end of its input ends it.
        process.communicate()
