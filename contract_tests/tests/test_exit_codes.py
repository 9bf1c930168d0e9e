"""What commands that judge something exit with: 0 fine, 1 findings, 2 usage, 3 could not look."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from falkit_mock.cli import main
from falkit_spec.reports import write
from reporting import clean, full
from serving import T2V, running

PAGE = Path(__file__).parents[2] / "docs" / "reports.md"
NOWHERE = "http://127.0.0.1:9"
FLUX = "fal-ai/ltx-2/text-to-video/fast"
MOCK = 'import respx\nrespx.get("https://queue.fal.run/fal-ai/flux{}/requests/r1")\n'
# By what each command is to exit with.
CALLS: dict[str, dict[int, list[str]]] = {
    "report": {
        0: ["clean.json"],
        1: ["full.json"],
        2: ["clean.json", "--out", "report"],
        3: ["--base-url", NOWHERE],
    },
    "doctor": {0: ["right.py"], 1: ["wrong.py"], 2: ["nowhere"], 3: ["unread.py"]},
    "conform": {
        0: ["--target", "MOCK", "--only", "queue.submit.code"],
        1: ["--target", "OTHER", "--only", "queue.submit.code"],
        2: [],
        3: ["--target", NOWHERE],
    },
    "check": {0: ["right.json"], 1: ["wrong.json"], 2: [], 3: ["nowhere.json"]},
    "spec diff": {
        0: ["--as-of", "2026-05", "--against", "2026-05", FLUX],
        1: ["--as-of", "2026-01", "--against", "2026-05", FLUX],
        2: ["--as-of", "yesterday"],
        3: ["--against", "2026-05", "nobody/nothing"],
    },
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clean.json").write_text(write(clean(), "json"))
    Path("full.json").write_text(write(full(), "json"))
    Path("right.py").write_text(MOCK.format(""))
    Path("wrong.py").write_text(MOCK.format("/dev"))
    Path("unread.py").write_text("# fal.run\n(\n")
    for name, prompt in (("right", "a cat"), ("wrong", 3)):
        call = {"endpoint_id": T2V, "input": {"prompt": prompt}}
        Path(f"{name}.json").write_text(json.dumps(call))


@contextmanager
def another() -> Generator[str]:
    """Serve what answers everything alike."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(201)
            self.send_header("content-length", "0")
            self.end_headers()

        do_GET = do_PUT = do_POST

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def code_of(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize("code", [0, 1, 2, 3])
@pytest.mark.parametrize("command", CALLS)
def test_each_judging_command_has_the_same_exit_codes(command: str, code: int) -> None:
    words = [*command.split(), *CALLS[command][code]]
    if "MOCK" in words:
        with running() as mock:
            assert code_of(*[mock.url if word == "MOCK" else word for word in words]) == code
    elif "OTHER" in words:
        with another() as url:
            assert code_of(*[url if word == "OTHER" else word for word in words]) == code
    else:
        assert code_of(*words) == code


def test_nothing_to_judge_is_not_fine() -> None:
    refused = {"endpoint_id": T2V, "input": {}, "outcome": {"status_code": 422}}
    Path("refused.json").write_text(json.dumps(refused))
    assert code_of("check", "refused.json") == 3
    Path("empty").mkdir()
    assert code_of("doctor", "empty") == 3


def test_the_page_has_all_of_them() -> None:
    table = re.findall(r"^\| `falkit ([a-z ]+)`", PAGE.read_text("utf-8"), re.MULTILINE)
    assert {*CALLS} <= {*table}
