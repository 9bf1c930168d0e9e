"""What a start of `falkit serve` does without, up to the reply to its first submit."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx

from processes import FALKIT, started

SUBMIT = "/queue.fal.run/fal-ai/ltx-2/image-to-video/fast"
INPUT = {"prompt": "a quiet harbour", "image_url": "https://example.com/photo.png"}
# Each is dear, or brings others that are; all come when they are first needed.
NOT_NEEDED = {
    *("PIL", "cryptography", "httpx", "jsonschema", "msgpack", "pydantic_core", "sqlite3"),
    *("anyio", "difflib", "http.client", "starlette", "websockets", "yaml"),
}
OURS_NOT_NEEDED = {
    *("cli.console", "cli.gateway", "cli.seeding", "control", "gateway"),
    "findings.looking",
    *("hosts.media", "hosts.realtime", "hosts.rest", "hosts.site", "hosts.sockets"),
    *("hosts.stream_reply", "hosts.streams", "hosts.websocket"),
    *("service.checks", "service.containers", "service.images", "service.inputs"),
    *("service.pins", "service.workflows", "store.durable", "store.journal"),
}


def test_the_first_submit_is_answered_without_what_it_does_not_need(tmp_path: Path) -> None:
    log = tmp_path / "imports"
    serve = [sys.executable, "-X", "importtime", FALKIT, "serve", "--port", "0", "--quiet"]
    with log.open("w") as imports, started(serve, stderr=imports, cwd=tmp_path) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        reply = httpx.post(url + SUBMIT, json=INPUT, headers={"authorization": "Key falkit"})
        assert reply.status_code == 200
        text = log.read_text()
    found = set(re.findall(r"\|\s+(\S+)$", text, re.M))
    assert {"falkit_mock.app", "uvicorn"} <= found
    ours = {f"falkit_mock.{name}" for name in OURS_NOT_NEEDED}
    assert not found & (NOT_NEEDED | ours)


def test_a_client_is_not_imported_either() -> None:
    code = "import falkit_mock.app, sys; assert 'falkit_client' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
