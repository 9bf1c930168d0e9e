"""`falkit call`, against a served mock and against hosts that fail."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from unittest import mock

import click
import httpx
import pytest
import respx

from falkit import Settings
from falkit_client import cli
from falkit_fixtures.images import sample
from falkit_mock.cli import main
from falkit_spec import Catalog
from falkit_spec.document import Document
from serving import running

FAST = "fal-ai/ltx-2/image-to-video/fast"
T2V = "fal-ai/ltx-2/text-to-video"
BASE = "http://mock.test"
QUEUE = f"{BASE}/queue.fal.run"
JOB = f"{QUEUE}/fal-ai/ltx-2/requests/r1"
CLIP = "http://mock.test/v3b.fal.media/files/b/0/clip.mp4"


@pytest.fixture(scope="module")
def url() -> Generator[str]:
    with running(Settings(timing="0,0.1")) as mock:
        yield mock.url


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET", "FALKIT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(sample("jpeg"))


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command; give its exit code, stdout and stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        try:
            main(["call", *words])
        except SystemExit as exit:
            code = exit.code
            assert isinstance(code, int)
        else:
            code = 0
        out, err = capsys.readouterr()
        return code, out, err

    return run


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def job(respx_mock: respx.MockRouter) -> respx.MockRouter:
    """A job that is done at once; its file is each test's own matter."""
    respx_mock.post(url__startswith=f"{QUEUE}/{T2V}").respond(json={"request_id": "r1"})
    respx_mock.get(url__startswith=f"{JOB}/status").respond(json={"status": "COMPLETED"})
    output = {"video": {"url": CLIP}}
    respx_mock.get(JOB).respond(json=output, headers={"x-fal-billable-units": "6"})
    return respx_mock


def no_pause(screen: object, seconds: float) -> None:
    """Nobody waits for a retry."""


def at_fal(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    monkeypatch.setenv("FAL_KEY", "id:secret")
    monkeypatch.setattr("sys.stdin.isatty", lambda: terminal)


def test_a_clip_is_paid_made_and_saved(call: Call, url: str, tmp_path: Path) -> None:
    words = ("prompt=Rain", "duration=8", "--image", "photo.jpg", "--out", "clip.mp4")
    code, out, err = call(FAST, *words, "--base-url", url)
    assert (code, out) == (0, "clip.mp4\n")
    data = (tmp_path / "clip.mp4").read_bytes()
    assert data[4:8] == b"ftyp"
    facts = "1920x1080, 25 fps, 8 s, 200 frames, with sound"
    lines = err.splitlines()
    assert lines[0] == f"{FAST}: {facts}"
    assert lines[1] == f"$0.32 at fal, nothing at {url}"
    assert lines[2].startswith("request ")
    assert any(line.startswith("  | ") for line in lines)
    assert lines[-2] == f"saved clip.mp4: {len(data):,} bytes, {facts}"
    assert re.match(r"at fal it would have cost \$0\.32 \(8 seconds billed\), in \d", lines[-1])
    assert max(map(len, lines)) <= 80


def test_the_base_url_may_come_from_the_environment(
    call: Call, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FALKIT_BASE_URL", url)
    code, out, _ = call(T2V, "prompt=Rain")
    assert code == 0
    assert out.endswith("ltxv-2-t2v-output.mp4\n")


def test_json_output_has_everything(call: Call, url: str) -> None:
    code, out, _ = call(T2V, "prompt=Rain", "--json", "--out", "clip.mp4", "--base-url", url)
    told = json.loads(out)
    assert code == 0
    assert told["cost"] == "0.36"
    assert told["saved"]["path"] == "clip.mp4"
    assert told["output"]["video"]["url"].startswith(url)


def test_a_job_from_before_is_followed(call: Call, url: str, tmp_path: Path) -> None:
    _, out, _ = call(T2V, "prompt=Rain", "--json", "--base-url", url)
    told = json.loads(out)
    words = ("--request", told["request_id"], "--out", "again.mp4", "--json")
    code, out, err = call(T2V, *words, "--base-url", url)
    assert code == 0
    assert (tmp_path / "again.mp4").exists()
    assert json.loads(out)["output"] == told["output"]
    assert "fal does not say what it cost" in err


def test_a_second_call_comes_from_the_cache(call: Call, url: str) -> None:
    words = (FAST, "prompt=Rain", "--image", "photo.jpg", "--cache", "kept", "--base-url", url)
    assert call(*words)[0] == 0
    code, _, err = call(*words, "--out", "clip.mp4")
    assert code == 0
    assert err.splitlines()[-1] == "from the cache: it cost nothing"


def test_without_a_key_nothing_is_sent(call: Call, respx_mock: respx.MockRouter) -> None:
    code, out, err = call(FAST, "prompt=Rain", "--image", "photo.jpg", "--out", "clip.mp4")
    assert (code, out) == (2, "")
    assert err == "falkit: no key: set FAL_KEY=<id>:<secret>, or --base-url for a stand-in\n"
    assert not respx_mock.calls


def test_a_budget_that_is_too_small_is_reported_before_any_question(
    call: Call, respx_mock: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_fal(monkeypatch, terminal=True)
    code, _, err = call(T2V, "prompt=Rain", "--budget", "0.20")
    assert code == 1
    assert err.splitlines()[-1] == (
        f"falkit: {T2V} would cost $0.36, and $0.20 of the budget of $0.20 is left: "
        "$0.16 too much; nothing was sent"
    )
    assert not respx_mock.calls


def test_a_budget_that_suffices_lets_the_call_pass(call: Call, url: str) -> None:
    assert call(T2V, "prompt=Rain", "--budget", "0.36", "--base-url", url)[0] == 0


def test_all_faults_are_listed_with_their_fixes(call: Call) -> None:
    code, _, err = call(FAST, "duration=7", "fps=x", "--base-url", BASE)
    assert code == 2
    assert err.splitlines() == [
        "falkit: the input is wrong, nothing was sent:",
        "  image_url: Field required (--image FILE, or image_url=URL)",
        "  prompt: Field required",
        "  duration: Input should be 6, 8, 10, 12, 14, 16, 18 or 20 (got 7)",
        "  fps: Input should be 25 or 50 (got 'x')",
    ]


def test_an_illegal_combination_is_named(call: Call) -> None:
    words = ("prompt=Rain", "--image", "photo.jpg", "duration=12", "fps=50", "--base-url", BASE)
    code, _, err = call(FAST, *words)
    assert code == 2
    assert "  duration: durations above 10 s need 25 fps and 1080p (got 12)" in err.splitlines()


def test_a_refusal_by_fal_is_a_failure(call: Call, job: respx.MockRouter) -> None:
    detail = [{"loc": ["body", "prompt"], "msg": "No", "type": "x", "input": "Rain"}]
    headers = {"x-falkit-hint": "say something else"}
    job.get(JOB).respond(422, json={"detail": detail}, headers=headers)
    code, _, err = call(T2V, "prompt=Rain", "--base-url", BASE)
    assert code == 1
    assert err.splitlines()[-4:] == [
        "falkit: fal refused the input:",
        "  prompt: No (got 'Rain')",
        "  request: r1",
        "  hint: say something else",
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("fal-ai/ltx-2/text-to-vide", "prompt=x"), "did you mean fal-ai/ltx-2/text-to-video"),
        ((T2V, "promt=x"), "did you mean prompt?"),
        ((T2V, "prompt=x", "--image", "photo.jpg"), "takes no image"),
        ((T2V, "prompt=x", "--out", "absent/clip.mp4"), "--out: absent isn't a folder"),
        ((T2V, "prompt=x", "--budget", "much"), "--budget: limit is 'much'"),
        ((T2V, "prompt=x", "--base-url", "mock.test"), "base_url is 'mock.test'"),
        ((FAST, "prompt=x", "--image", "no.jpg", "--base-url", BASE), "there is no file no.jpg"),
        ((T2V, "prompt=x", "--timeout", "0"), "--timeout"),
    ],
)
def test_inputs_that_cannot_be_sent_are_misuse(
    call: Call, words: tuple[str, ...], says: str
) -> None:
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert says in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("said", "sent"), [("y", True), ("n", False)])
def test_at_a_terminal_a_question_comes_before_money_is_spent(
    call: Call,
    respx_mock: respx.MockRouter,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    sent: bool,
) -> None:
    at_fal(monkeypatch, terminal=True)

    def answer(text: str) -> str:
        return said

    monkeypatch.setattr(click.termui, "visible_prompt_func", answer)
    submit = respx_mock.post(f"https://queue.fal.run/{T2V}").respond(403, json={"detail": "no"})
    code, _, err = call(T2V, "prompt=Rain")
    assert code == 1
    assert "$0.36 at fal" in err
    assert ("falkit: nothing was sent" in err) is not sent
    assert submit.called is sent


def test_without_a_terminal_yes_is_required(
    call: Call, respx_mock: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_fal(monkeypatch, terminal=False)
    submit = respx_mock.post(f"https://queue.fal.run/{T2V}").respond(403, json={"detail": "no"})
    code, _, err = call(T2V, "prompt=Rain")
    assert code == 2
    assert "pass --yes" in err
    assert not submit.called
    assert call(T2V, "prompt=Rain", "--yes")[0] == 1
    assert submit.called


def test_the_billed_amount_is_printed(
    call: Call, respx_mock: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_fal(monkeypatch, terminal=False)
    queue = "https://queue.fal.run"
    respx_mock.post(f"{queue}/{T2V}").respond(json={"request_id": "r1"})
    status = f"{queue}/fal-ai/ltx-2/requests/r1/status"
    respx_mock.get(url__startswith=status).respond(json={"status": "COMPLETED"})
    respx_mock.get(f"{queue}/fal-ai/ltx-2/requests/r1").respond(
        json={"video": {"url": CLIP}}, headers={"x-fal-billable-units": "6"}
    )
    code, out, err = call(T2V, "prompt=Rain", "--yes")
    assert (code, out) == (0, f"{CLIP}\n")
    assert "cost $0.36 (6 seconds billed), in " in err


def test_a_network_that_goes_mid_download_loses_nothing(
    call: Call, job: respx.MockRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("falkit_client._cli_io.Display.sleep", no_pause)

    class Gone(httpx.SyncByteStream):
        def __iter__(self) -> Generator[bytes]:
            yield b"x" * 1000
            raise httpx.ReadError("gone")

    def broken(request: httpx.Request) -> httpx.Response:
        headers = {"content-length": "5000", "etag": '"v1"'}
        return httpx.Response(200, headers=headers, stream=Gone())

    job.get(CLIP).mock(side_effect=broken)
    code, out, err = call(T2V, "prompt=Rain", "--out", "clip.mp4", "--base-url", BASE)
    assert (code, out) == (1, "")
    assert err.splitlines()[-3:] == [
        f"falkit: {CLIP} did not come whole: the connection to mock.test broke off; "
        "1,000 of 5,000 bytes are in clip.mp4.part",
        "  the job is done, nothing is lost: request r1",
        f"  go on with: falkit call {T2V} --request r1 --out clip.mp4 --base-url {BASE}",
    ]
    rest = {"content-range": "bytes 1000-4999/5000"}
    job.get(CLIP).respond(206, headers=rest, content=b"y" * 4000)
    assert call(T2V, "--request", "r1", "--out", "clip.mp4", "--base-url", BASE)[0] == 0
    assert (tmp_path / "clip.mp4").read_bytes() == b"x" * 1000 + b"y" * 4000


def test_a_network_that_goes_while_waiting_names_the_job(
    call: Call, job: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("falkit_client._cli_io.Display.sleep", no_pause)
    job.get(url__startswith=f"{JOB}/status").mock(side_effect=httpx.ConnectError("gone"))
    code, _, err = call(T2V, "prompt=Rain", "--base-url", BASE)
    assert code == 1
    assert "the job may still be running" in err
    assert f"go on with: falkit call {T2V} --request r1 --base-url {BASE}" in err


def test_a_timeout_is_a_failure(call: Call, job: respx.MockRouter) -> None:
    job.get(url__startswith=f"{JOB}/status").respond(json={"status": "IN_PROGRESS"})
    job.put(f"{JOB}/cancel").respond(202, json={"status": "CANCELLATION_REQUESTED"})
    code, _, err = call(T2V, "prompt=Rain", "--timeout", "0.01", "--base-url", BASE)
    assert code == 1
    assert "did not finish within 0.01 s and was cancelled" in err


def test_an_output_without_a_file_cannot_be_saved(call: Call, job: respx.MockRouter) -> None:
    job.get(JOB).respond(json={"video": {"url": "ftp://mock.test/clip.mp4"}})
    code, out, err = call(T2V, "prompt=Rain", "--out", "clip.mp4", "--base-url", BASE)
    assert code == 1
    assert json.loads(out) == {"video": {"url": "ftp://mock.test/clip.mp4"}}
    assert f"--out: the output of {T2V} names no file; nothing was saved" in err


def test_an_interruption_names_the_job(
    call: Call, job: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(screen: object, seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("falkit_client._cli_io.Display.sleep", interrupt)
    job.get(url__startswith=f"{JOB}/status").respond(json={"status": "IN_PROGRESS"})
    code, out, err = call(T2V, "prompt=Rain", "--out", "clip.mp4", "--base-url", BASE)
    assert (code, out) == (130, "")
    assert err.splitlines()[-3:] == [
        "falkit: interrupted",
        "  request r1 was not cancelled: it may run on and be billed",
        f"  go on with: falkit call {T2V} --request r1 --out clip.mp4 --base-url {BASE}",
    ]


def test_an_interruption_of_the_submit_says_so(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: object, request: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", interrupt)
    code, _, err = call(T2V, "prompt=Rain", "--base-url", BASE)
    assert code == 130
    assert "fal may have accepted the job" in err


def test_an_interruption_before_that_says_so(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_announce", interrupt)
    code, _, err = call(T2V, "prompt=Rain", "--base-url", BASE)
    assert code == 130
    assert err.splitlines() == ["falkit: interrupted", "  nothing was sent"]


def test_an_endpoint_without_facts_is_called_without_them(
    call: Call, job: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = Catalog.from_documents([Document(Catalog.vendored().get(T2V).document.raw, source="x")])
    monkeypatch.setattr(Catalog, "vendored", mock.Mock(return_value=bare))
    code, _, err = call(T2V, "prompt=Rain", "--base-url", BASE)
    assert code == 0
    assert err.splitlines()[:2] == [T2V, f"of unknown price at fal, nothing at {BASE}"]


@pytest.mark.parametrize(
    ("base", "real"),
    [
        (None, True),
        ("https://fal.run", True),
        ("https://gateway.fal.ai/x", True),
        ("https://queue.falrun.com", True),
        ("https://FAL.run.", True),
        ("http://127.0.0.1:4325", False),
        ("https://notfal.run", False),
    ],
)
def test_only_fal_itself_costs_money(base: str | None, real: bool) -> None:
    catalog = Catalog.vendored()
    assert cli.Call(catalog.get(T2V), {}, None, base, False, None, catalog).real is real


def test_a_folder_that_cannot_be_written_to_is_no_hindrance_where_nothing_is_saved(
    call: Call, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: object, mode: int) -> bool:
        return False

    monkeypatch.setattr("os.access", refused)
    code, out, err = call(T2V, "prompt=x", "--base-url", url)
    assert (code, out.endswith(".mp4\n")) == (0, True), err
