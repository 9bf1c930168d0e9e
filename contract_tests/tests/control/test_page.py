"""The page on the control API: its table is held against the document, its examples are run."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest

from falkit import Settings
from falkit_mock.control import document
from falkit_mock.control.routes import METHODS
from falkit_mock.core.network import CONTROL
from processes import FALKIT
from serving import PATIENCE, Mock, WatchedClock, running

PAGE = (Path(__file__).parents[3] / "docs" / "control.md").read_text()
DEFAULT_URL = "http://127.0.0.1:4325"
EXAMPLES = re.findall(r"```sh\n(.*?)```(?:\s*```json\n(.*?)```)?", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def steered() -> Generator[Mock]:
    settings = Settings(timing="10,20", seed=1, control_token=None)
    with running(settings, WatchedClock()) as served:
        served.submit()
        yield served


def run(script: str, mock: Mock, folder: Path, code: int = 0) -> str:
    """Run an example in a shell that stops at the first command that fails, as curl with 22."""
    here = script.replace(DEFAULT_URL, mock.url).replace("curl ", "curl -sS --fail-with-body ")
    # What it waits for there, nothing sends here.
    here = here.replace("falkit ", f"{FALKIT} ").replace("&wait=10", "&wait=0.01")
    done = subprocess.run(
        ["bash", "-ec", here],
        capture_output=True,
        text=True,
        timeout=6 * PATIENCE,
        cwd=folder,
        check=False,
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "FALKIT_BASE_URL": mock.url,
            "FALKIT_CONTROL_TOKEN": "any",
        },
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout


def test_the_table_has_every_operation_in_the_documents_order() -> None:
    wanted = [
        f"| `{method.upper()} {path.removeprefix(CONTROL)}` | {item[method]['summary']} |"
        for path, item in document()["paths"].items()
        for method in METHODS
        if method in item
    ]
    assert re.findall(r"^\| `[A-Z]+ /.*$", PAGE, re.MULTILINE) == wanted


def test_the_refusal_is_as_shown(steered: Mock, tmp_path: Path) -> None:
    script, shown = EXAMPLES[0]
    assert json.loads(run(script, steered, tmp_path, 22)) == json.loads(shown)


# The stream has no end.
STREAM = next(script for script, _ in EXAMPLES if "curl -N" in script)


@pytest.mark.parametrize("script", [script for script, _ in EXAMPLES[1:] if script != STREAM])
def test_an_example_runs(script: str, steered: Mock, tmp_path: Path) -> None:
    assert run(script, steered, tmp_path)


def test_the_clock_answers_with_the_fields_shown(steered: Mock) -> None:
    (shown,) = [json.loads(shown) for _, shown in EXAMPLES if '"events"' in shown]
    reply = steered.http.post(f"{CONTROL}/clock/advance", json={"seconds": 0})
    assert reply.json().keys() == shown.keys()


def test_the_stream_of_events_has_the_fields_shown(steered: Mock, tmp_path: Path) -> None:
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    steered.submit(params={"fal_webhook": "http://example.com/"})
    # What curl exits with once its time is up.
    printed = run(STREAM.replace("-N", "-N --max-time 1"), steered, tmp_path, 28)
    assert printed.splitlines()[:4] == shown.splitlines()[:4]
    assert fields_by_kind(shown).items() <= fields_by_kind(printed).items()


def fields_by_kind(stream: str) -> dict[str, list[str]]:
    """Return the names of each kind of event's data, in order."""
    found = re.findall(r"id: \d+\nevent: (\w+)\ndata: (.*)\n", stream)
    return {kind: [*json.loads(data)] for kind, data in found}


def test_the_failures_shown_are_accepted(steered: Mock) -> None:
    bodies = [line for line in PAGE.splitlines() if line.startswith(('{"fault"', '{"status_code"'))]
    assert len(bodies) == 2
    for body in bodies:
        request_id = steered.submit()["request_id"]
        reply = steered.http.post(f"{CONTROL}/jobs/{request_id}/fail", content=body)
        assert reply.status_code == 200, reply.text
