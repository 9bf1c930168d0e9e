"""Uploads and jobs that falkit.toml puts into a mock, again after each reset."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from falkit import Settings, create_app
from falkit_mock.cli import main
from falkit_mock.cli.seeding import Seed, SeedJob
from processes import FALKIT, started
from serving import KEY, PROMPT, T2V

SEED = """
timing = "0,5"
clock = "manual"
rules = ["generation_timeout times=1 endpoint=none"]

[[uploads]]
name = "voice"
file = "voice.wav"

[[jobs]]
endpoint = "fal-ai/ltx-2/text-to-video"
input = { prompt = "A kite" }

[[jobs]]
endpoint = "fal-ai/ltx-2/image-to-video/fast"
input = { prompt = "A boat", image_url = "upload:picture" }

[[uploads]]
name = "picture"
file = "pictures/dot.png"
content_type = "image/x-dot"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "dot.png").write_bytes(b"no picture")
    (tmp_path / "voice.wav").write_bytes(b"RIFF")
    (tmp_path / "falkit.toml").write_text(SEED)
    return tmp_path


@contextmanager
def served(folder: Path, *options: str) -> Generator[httpx.Client]:
    """Serve what a folder's falkit.toml says, with the seed 7."""
    command = [FALKIT, "serve", "--port=0", "--quiet", "--seed=7", *options]
    with started(command, cwd=folder) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        with httpx.Client(base_url=url, headers=KEY, trust_env=False) as http:
            yield http


def jobs(http: httpx.Client) -> list[dict[str, str]]:
    found: list[dict[str, str]] = http.get("/__falkit/jobs").json()["jobs"]
    return found[::-1]


def test_a_mock_begins_with_them_and_a_reset_makes_them_again(folder: Path) -> None:
    with served(folder) as http:
        first, second = jobs(http)
        assert (first["endpoint_id"], first["status"]) == (T2V, "IN_PROGRESS")
        told = http.get(f"/__falkit/jobs/{second['request_id']}").json()
        picture = told["input"]["image_url"]
        read = http.get(picture)
        assert (read.content, read.headers["content-type"]) == (b"no picture", "image/x-dot")
        assert http.get("/__falkit/requests").json()["requests"][-1]["path"].endswith("dot.png")
        http.post(f"/queue.fal.run/{T2V}", json=PROMPT)
        assert len(jobs(http)) == 3
        assert http.post("/__falkit/reset", json={}).json()["jobs"] == 2
        assert [job["request_id"] for job in jobs(http)] == [
            first["request_id"],
            second["request_id"],
        ]
        assert http.get(picture).content == b"no picture"


def test_a_state_that_goes_on_is_not_begun_again(folder: Path) -> None:
    for count in (2, 3):
        with served(folder, "--state=falkit.state", "--api-key=a:b") as http:
            http.headers["authorization"] = "Key a:b"
            assert len(jobs(http)) == count
            http.post(f"/queue.fal.run/{T2V}", json=PROMPT)


def test_a_program_is_run_with_them(folder: Path) -> None:
    program = (
        "import httpx, os; u = os.environ['FALKIT_BASE_URL'];"
        "print(len(httpx.get(u + '/__falkit/jobs').json()['jobs']))"
    )
    command = [FALKIT, "run", "--quiet", "--", sys.executable, "-c", program]
    with started(command, cwd=folder) as process:
        assert process.communicate()[0] == "2\n"


_JOB = '[[jobs]]\nendpoint = "fal-ai/ltx-2/text-to-video"\n'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("jobs = 5", "jobs: write each as [[jobs]] with endpoint"),
        ("[[jobs]]\ninput = {}", "jobs: job 1: write each as [[jobs]]"),
        (f"{_JOB}input = 5", "jobs: job 1: write each as [[jobs]]"),
        (f"{_JOB}input = {{}}\ntimes = 3", "jobs: job 1: times: no field has this name; those"),
        (f'{_JOB}input = {{a = ["upload:b"]}}', "jobs: job 1: 'upload:b': name one of [[uploads]]"),
        (f"{_JOB}input = {{a = 2026-01-01}}", "jobs: job 1: input can't be sent as JSON"),
        ("[[uploads]]\nname = 'a'", "uploads: upload 1: write each as [[uploads]]"),
        ("[[uploads]]\nname = 'a'\nfile = 'b.png'", "uploads: upload 1: file: b.png: there is no"),
        (
            '[[jobs]]\nendpoint = "fal-ai/nothing"\ninput = {}',
            "POST /queue.fal.run/fal-ai/nothing was answered 404",
        ),
    ],
)
def test_what_cannot_be_made_is_one_line(
    tmp_path: Path,
    text: str,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("falkit.toml").write_text(text)
    with pytest.raises(SystemExit) as exit:
        main(["serve", "--port=0", "--quiet"])
    told = capsys.readouterr().err
    assert (exit.value.code, told.count("\n")) == (2, 1)
    assert told.startswith(f"falkit: falkit.toml: {line}")


def test_who_takes_the_place_of_another_begins_with_what_is_there() -> None:
    async def jobs_of(*, again: bool) -> int:
        app = create_app(Settings(timing="instant"))
        seed = Seed("falkit.toml", jobs=(SeedJob(T2V, PROMPT, None),))
        seed.attach(app, "http://127.0.0.1", again=again)
        for act in app.service.hooks.opening:
            await act()
        found = app.service.store.count()
        app.close()
        return found

    assert asyncio.run(jobs_of(again=False)) == 1
    assert asyncio.run(jobs_of(again=True)) == 0
