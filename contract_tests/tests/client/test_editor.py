"""What an editor offers while a call is being written, asked of a language server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from processes import started

ROOT = Path(__file__).parents[3]
SERVER = str(Path(sys.executable).with_name("basedpyright-langserver"))
# Each line is asked for at its `|`.
LINES = """\
fast.run(prompt="", image_url="", duration=|)
fast.run(|)
draft: ImageToVideoFastInput = {"resolution": |}
client.endpoint("|")
"""
USERS_FILE = f"""\
from falkit_client import Client
from falkit_client.types.fal_ai.ltx_2 import ImageToVideoFastInput

client = Client()
fast = client.endpoint("fal-ai/ltx-2/image-to-video/fast")
{LINES}"""


class Editor:
    """Speaks just enough of the protocol to ask for completions."""

    def __init__(self, server: subprocess.Popen[bytes]) -> None:
        assert server.stdin is not None
        assert server.stdout is not None
        self._in, self._out = server.stdin, server.stdout
        self._asked = 0

    def tell(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    def ask(self, method: str, params: Any) -> Any:
        self._asked += 1
        self._send({"id": self._asked, "method": method, "params": params})
        while True:
            message = self._receive()
            if "method" not in message and message["id"] == self._asked:
                return message["result"]
            if "method" in message and "id" in message:
                # The server asks as well: it gets no settings, and everything else is granted.
                settings = message["method"] == "workspace/configuration"
                self._send({"id": message["id"], "result": [{}] if settings else None})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._in.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._in.flush()

    def _receive(self) -> dict[str, Any]:
        length = 0
        while line := self._out.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        message: dict[str, Any] = json.loads(self._out.read(length))
        return message


def completions(folder: Path) -> list[list[str]]:
    """The labels that are offered at each mark."""
    sources = [str(ROOT / "client"), str(ROOT / "spec")]
    settings = {"venvPath": str(ROOT), "venv": ".venv", "extraPaths": sources}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    uri = (folder / "user.py").as_uri()
    marks = [
        (at, line.index("|")) for at, line in enumerate(USERS_FILE.splitlines()) if "|" in line
    ]
    text = USERS_FILE.replace("|", "")
    (folder / "user.py").write_text(text)
    with started([SERVER, "--stdio"], stdin=subprocess.PIPE, text=False) as server:
        editor = Editor(server)
        here: dict[str, Any] = {"rootUri": folder.as_uri(), "processId": None, "capabilities": {}}
        workspace = [{"uri": folder.as_uri(), "name": "user"}]
        editor.ask("initialize", {**here, "workspaceFolders": workspace})
        editor.tell("initialized", {})
        document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        editor.tell("textDocument/didOpen", {"textDocument": document})
        found: list[list[str]] = []
        for line, character in marks:
            place = {"line": line, "character": character}
            asked = {"textDocument": {"uri": uri}, "position": place}
            items = editor.ask("textDocument/completion", asked)["items"]
            found.append([item["label"] for item in items])
    return found


def test_inputs_their_values_and_endpoints_are_offered(tmp_path: Path) -> None:
    durations, inputs, resolutions, endpoints = completions(tmp_path)
    assert {"6", "8", "10", "12", "14", "16", "18", "20"} <= set(durations)
    assert not {"7", "25"} & set(durations)
    assert {"prompt=", "image_url=", "duration=", "resolution=", "fps="} <= set(inputs)
    assert {'"1080p"', '"1440p"', '"2160p"'} <= set(resolutions)
    assert '"fal-ai/ltx-2/image-to-video/fast"' in endpoints
