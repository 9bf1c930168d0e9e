"""What the documentation shows is run, and what it lists is compared with the code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Generator
from pathlib import Path

import av
import httpx
import pytest
from click.testing import CliRunner

from falkit_contract import pytest_plugin
from falkit_mock.cli import falkit
from falkit_mock.core.settings import ASSUMPTIONS, Assumptions
from falkit_mock.faults.rules import Rule
from processes import FALKIT, started

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DEFAULT_URL = "http://127.0.0.1:4325"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def url() -> Generator[str]:
    command = [FALKIT, "serve", "--port", "0", "--timing", "0,0.2", "--quiet"]
    with started(command, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        yield json.loads(server.stdout.readline())["url"]


def run(command: list[str], cwd: Path | None = None) -> str:
    return subprocess.check_output(
        command, text=True, timeout=60, stderr=subprocess.STDOUT, cwd=cwd
    )


def example(language: str, word: str) -> str:
    """Return the one block of the README that has a word in it."""
    (found,) = [block for block in blocks(language) if word in block]
    return found


def test_the_direct_call_answers_a_clip_that_plays(url: str, tmp_path: Path) -> None:
    call = example("sh", "curl http://127.0.0.1:4325/fal.run/fal-ai/ltx-2/image-to-video/fast")
    reply = json.loads(
        run(["sh", "-c", call.replace("curl ", "curl -s ").replace(DEFAULT_URL, url)])
    )
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(httpx.get(reply["video"]["url"]).content)
    with av.open(clip, "r") as container:
        assert sum(1 for _ in container.decode(container.streams.video[0])) == 150


def test_the_mistake_is_answered_as_shown(url: str) -> None:
    call = example("sh", "curl -i")
    shown = README.partition(call)[2].split("```")[2]
    reply = run(["sh", "-c", call.replace("curl ", "curl -s ").replace(DEFAULT_URL, url)])
    assert "HTTP/1.1 422 Unprocessable Entity" in shown
    for line in shown.strip().splitlines():
        for part in filter(None, line.split("…")):
            assert part.strip('"}] ') in reply


def test_a_fault_that_the_prompt_names_is_answered(url: str) -> None:
    call = example("sh", "[falkit:content_policy_violation]")
    reply = json.loads(
        run(["sh", "-c", call.replace("curl ", "curl -s ").replace(DEFAULT_URL, url)])
    )
    assert [item["type"] for item in reply["detail"]] == ["content_policy_violation"]


def test_the_faults_that_the_readme_names_can_be_set() -> None:
    texts = re.findall(r"--fault '([^']+)'", README)
    assert texts
    for text in texts:
        assert Rule.read(text).text() == text


def test_the_queue_by_hand_goes_from_submit_to_result(url: str) -> None:
    printed = run(["sh", "-c", example("sh", "JOB=").replace(DEFAULT_URL, url)])
    for shown in ('"status":"IN_QUEUE"', '"status":"COMPLETED"', "ltxv-2-t2v-output.mp4"):
        assert shown in printed


def test_the_python_example_runs(url: str) -> None:
    code = example("python", "import Client").replace(DEFAULT_URL, url)
    printed = run([sys.executable, "-c", code]).splitlines()
    assert printed[0] == "0.32"
    assert printed[-1].endswith("ltxv-2-i2v-output.mp4")
    assert any("Completed" in line for line in printed)


def test_the_program_with_fals_own_client_runs_on_the_mock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FALKIT_HOME", str(tmp_path))
    printed = run([sys.executable, "-c", example("python", "fal_client, falkit")]).splitlines()
    assert printed[0].endswith("ltxv-2-t2v-output.mp4")
    assert printed[1:] == ["COMPLETED 0.36"]


def test_the_program_with_time_that_it_moves_runs_on_the_mock() -> None:
    printed = run([sys.executable, "-c", example("python", "falkit, httpx")]).splitlines()
    assert printed[0] == "IN_QUEUE"
    assert printed[1].endswith("ltxv-2-t2v-output.mp4")


def test_the_fixture_serves_a_test(tmp_path: Path) -> None:
    (tmp_path / "test_video.py").write_text(example("python", "# test_video.py"))
    # Other plugins that happen to be installed here are of no concern to it, and take seconds.
    words = ["-q", "-p", "no:cacheprovider", "-p", "falkit", str(tmp_path)]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    printed = subprocess.check_output(
        [sys.executable, "-m", "pytest", *words], text=True, timeout=60, env=environment
    )
    assert "1 passed" in printed


def test_the_spec_commands_run(tmp_path: Path) -> None:
    lines = example("sh", "falkit spec list").splitlines()
    *said, _ = (run([FALKIT, *line.split()[1:]], cwd=tmp_path) for line in lines)
    listed, shown, combined, earlier = said
    compile((tmp_path / "fal_types.py").read_text("utf-8"), "fal_types.py", "exec")
    assert "fal-ai/ltx-2/image-to-video/fast" in listed
    assert "generate_audio" in shown
    assert "48 combinations, 23 legal" in combined
    assert ("extend-video" in listed, "extend-video" in earlier) == (True, False)


def test_no_summary_of_a_command_is_cut() -> None:
    told = CliRunner().invoke(falkit, ["--help"], terminal_width=80).output
    assert "..." not in told.partition("Commands:")[2]


def test_every_option_that_the_readme_names_exists() -> None:
    commands = (
        "serve",
        "run",
        "jobs",
        "report",
        "spec combinations",
        "call",
        "listen",
        "trigger",
        "conform",
    )
    known = {
        option
        for command in commands
        for option in re.findall(
            r"--[a-z-]+", CliRunner().invoke(falkit, [*command.split(), "--help"]).output
        )
    }
    plugin = Path(pytest_plugin.__file__).read_text()
    known |= {*re.findall(r'"(--fal-[a-z-]+)"', plugin)}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) <= known


def test_every_assumption_is_in_the_table_of_fidelity() -> None:
    table = (ROOT / "docs" / "fidelity.md").read_text()
    rows = {
        name: tuple(re.findall(r"`([^`]+)`", values))
        for name, values in re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", table, re.MULTILINE)
    }
    assert rows == {name.replace("_", "-"): values for name, values in ASSUMPTIONS.items()}
    for name, values in ASSUMPTIONS.items():
        assert getattr(Assumptions(), name) == values[0], "the first is the default"


def test_what_captures_settle_is_held_by_a_test_that_is_there() -> None:
    page = (ROOT / "docs" / "fidelity.md").read_text()
    section = page.partition("## What live captures settle\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| K(\d+) \| [^|]+ \| (§[\d.]+) \| ([^|]+) \|$", section, re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == [*range(1, 34)]
    wire = (ROOT / "docs" / "wire.md").read_text()
    for _, place, test in rows:
        assert re.search(rf"^###? {re.escape(place)} ", wire, re.MULTILINE), place
        if test.startswith("none"):
            continue
        file, _, name = test.strip("`").partition("::")
        source = (ROOT / "contract_tests" / "tests" / file).read_text()
        assert not name or f"def {name}(" in source, test


def test_the_tests_that_the_security_page_names_are_there() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    named = set(re.findall(r"`((?:\w+/)+test_\w+\.py)`", page))
    assert len(named) > 15
    for file in named:
        assert (ROOT / "contract_tests" / "tests" / file).is_file(), file


def test_whatever_is_accepted_beyond_fal_has_a_source() -> None:
    page = (ROOT / "docs" / "fidelity.md").read_text()
    section = page.partition("## Accepts more than fal\n")[2].partition("\n## ")[0]
    head, _, *rows = re.findall(r"^\| (.+) \|$", section, re.MULTILINE)
    assert head == "what | where | source"
    # Pages and clients by their tags, standards by number, what is inferred or our own by name.
    known = (
        r"\b(D:[a-z]|PY|JS|SDK|PROXY|AISDK|FALGIT|JSGIT|PLAT|OAS|RFC \d|Pydantic|3P|1L|L|I\b|"
        "falkit's own)"
    )
    assert len(rows) > 10
    for row in rows:
        what, where, source = row.split(" | ")
        assert what
        assert where
        assert re.search(known, source), f"{what!r} has no source: {source!r}"


def test_the_readme_names_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z]+)", README, re.MULTILINE)) <= targets


def test_the_version_is_one_number() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert run([FALKIT, "--version"]).split()[-1] == project["version"]


def test_links_lead_to_files() -> None:
    for document in (
        page for where in ("*", "docs/*", "examples/*/*") for page in ROOT.glob(f"{where}.md")
    ):
        for target in re.findall(r"\]\((?!http)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"
