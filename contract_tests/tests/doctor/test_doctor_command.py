"""`falkit doctor PATH` and `falkit explain`: exit codes, JSON, and what is looked at."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from falkit_contract.doctor import _files
from falkit_mock.cli import falkit
from falkit_spec.findings import finding_kinds

HEAD = "import respx\n"
WHOLE = 'respx.get("https://queue.fal.run/fal-ai/flux/dev/requests/r1")\n'
PATCHED = 'import fal_client\npatch("fal_client.submit")\n'
RIGHT = 'respx.get("https://queue.fal.run/fal-ai/flux/requests/r1")\n'


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def doctor(*words: str) -> Result:
    result = CliRunner().invoke(falkit, ["doctor", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


@pytest.mark.parametrize(
    ("text", "words", "code"),
    [
        (HEAD + WHOLE, [], 1),
        (HEAD + WHOLE, ["--fail-on", "error"], 1),
        (HEAD + WHOLE, ["--fail-on", "never"], 0),
        (HEAD + 'respx.put("https://queue.fal.run/a/b/requests/1/cancel").respond(200)\n', [], 1),
        (
            HEAD + 'respx.put("https://queue.fal.run/a/b/requests/1/cancel").respond(200)\n',
            ["--fail-on", "error"],
            0,
        ),
        (PATCHED, [], 0),
        (HEAD + RIGHT, [], 0),
        ("print('nothing of it')\n", [], 0),
        ("# fal.run\nthis is no Python\n", [], 3),
        ("# fal.run\nthis is no Python\n", ["--fail-on", "never"], 3),
    ],
)
def test_the_exit_code_says_what_came_of_it(text: str, words: list[str], code: int) -> None:
    Path("test_it.py").write_text(text)
    assert doctor(*words).exit_code == code


def test_a_finding_is_printed_with_place_code_fal_and_fix() -> None:
    Path("test_it.py").write_text(HEAD + WHOLE + WHOLE)
    lines = doctor().output.splitlines()
    kind = finding_kinds()["whole-id-url"]
    seen = "error whole-id-url: queue.fal.run/fal-ai/flux/dev/requests/r1"
    # What fal does is said once for each code.
    assert lines == [
        f"test_it.py:2: {seen}",
        f"    {kind.title}",
        f"    fal: {kind.fal}",
        f"    fix: {kind.fix}",
        f"test_it.py:3: {seen}",
        "1 file read, 1 naming fal, 1 with mocks of it: 2 errors, 0 warnings, 0 notes",
    ]


def test_json_has_it_all() -> None:
    Path("test_it.py").write_text(HEAD + WHOLE)
    Path("test_bad.py").write_text("# fal.run\n(\n")
    told = json.loads(doctor("--json", ".").output)
    (found,) = told.pop("findings")
    assert told == {
        "files": 2,
        "naming_fal": 2,
        "with_mocks": 1,
        "error": 1,
        "warning": 0,
        "note": 0,
        "problems": ["test_bad.py: line 2: '(' was never closed"],
    }
    kind = finding_kinds()["whole-id-url"]
    assert (found["path"], found["line"], found["code"]) == ("test_it.py", 2, kind.code)
    assert (found["severity"], found["fal"], found["fix"]) == ("error", kind.fal, kind.fix)


def test_a_pull_request_shows_findings_at_their_lines() -> None:
    Path("test_it.py").write_text(HEAD + WHOLE)
    annotated = doctor("--format", "github", "--out", "a.sarif")
    assert annotated.output.startswith("::error file=test_it.py,line=2,title=whole-id-url%3A ")
    (result,) = json.loads(Path("a.sarif").read_text())["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("test_it.py", 2)


def test_what_is_known_does_not_fail_wherever_it_moves() -> None:
    Path("test_it.py").write_text(HEAD + WHOLE)
    known = ("--baseline", "known.toml")
    assert doctor(*known, "--update-baseline", "--reason", "ticket 12").exit_code == 0
    Path("test_it.py").write_text(HEAD + "\n\n" + WHOLE)
    found = doctor(*known)
    assert (found.exit_code, "accepted whole-id-url: test_it.py:4: " in found.output) == (0, True)
    told = json.loads(doctor(*known, "--json").output)
    assert (told["error"], told["findings"][0]["accepted"]) == (0, "ticket 12")
    Path("test_it.py").write_text(HEAD + WHOLE.replace("flux", "kling"))
    new = doctor(*known)
    assert (new.exit_code, "in the baseline, and gone: whole-id-url" in new.output) == (1, True)


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    Path("test_it.py").write_text(
        HEAD + 'respx.get("https://queue.fal.run/a/b/c/requests/\\x1b[2J")\n'
    )
    assert "\x1b" not in doctor().output


@pytest.mark.parametrize("place", ["node_modules/a", ".venv/lib", ".git", "venv", "env/lib"])
def test_folders_of_others_are_left_alone(place: str) -> None:
    folder = Path(place)
    folder.mkdir(parents=True)
    (Path(place.partition("/")[0]) / "pyvenv.cfg").touch()
    (folder / "test_it.py").write_text(HEAD + WHOLE)
    Path("test_own.py").write_text(HEAD + RIGHT)
    assert doctor().exit_code == 0


def test_links_are_not_followed(tmp_path: Path) -> None:
    inside = tmp_path / "project"
    inside.mkdir()
    (inside / "test_own.py").write_text(HEAD + RIGHT)
    (tmp_path / "test_it.py").write_text(HEAD + WHOLE)
    (inside / "link.py").symlink_to(tmp_path / "test_it.py")
    (inside / "circle").symlink_to(tmp_path)
    assert doctor("project").exit_code == 0


def test_what_git_ignores_is_left_alone() -> None:
    subprocess.run(["git", "init", "-q", "."], check=True)
    Path(".gitignore").write_text("generated/\n")
    Path("generated").mkdir()
    for name in ("generated/test_it.py", "test_own.py"):
        Path(name).write_text(HEAD + WHOLE)
    printed = doctor().output
    assert ("test_own.py:2" in printed, "generated" in printed) == (True, False)
    # What is named is meant.
    assert doctor("generated/test_it.py").exit_code == 1
    assert doctor("generated").exit_code == 1


def test_nothing_of_a_projects_git_settings_is_run(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "."], check=True)
    ran = tmp_path / "ran"
    subprocess.run(["git", "config", "core.fsmonitor", f"touch {ran}; false"], check=True)
    Path("test_it.py").write_text(HEAD + WHOLE)
    assert doctor().exit_code == 1
    assert not ran.exists()


@pytest.mark.parametrize(
    ("limit", "value", "problem"),
    [
        ("_LARGEST", 60, "test_it.py: larger than"),
        ("_MOST_FILES", 0, "test_it.py: more than 0 files"),
    ],
)
def test_what_is_beyond_a_limit_is_named(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int, problem: str
) -> None:
    Path("test_it.py").write_text(HEAD + WHOLE)
    monkeypatch.setattr(_files, limit, value)
    result = doctor()
    assert result.exit_code == 3
    assert f"falkit: not looked at: {problem}" in result.output


def test_a_file_of_another_language_is_not_taken_for_clean() -> None:
    Path("fal.rb").write_text('stub_request(:get, "https://queue.fal.run/fal-ai/flux/dev")\n')
    assert doctor("fal.rb").exit_code == 3
    nothing = doctor(".", "--fail-on", "never")
    assert (nothing.exit_code, "there is no file of Python, JavaS" in nothing.output) == (3, True)


def test_what_was_read_is_counted_and_a_program_is_sent_to_run() -> None:
    Path("service.py").write_text("import fal_client\nfal_client.submit('a/b', {})\n")
    Path("other.py").touch()
    told = doctor()
    assert told.exit_code == 0
    counts, run = told.output.splitlines()
    assert counts.startswith("2 files read, 1 naming fal, 0 with mocks of it: 0 errors")
    assert run.startswith("falkit: no mock of fal was found; what a program calls is judged by `fa")
    Path("test_it.py").write_text(HEAD + RIGHT)
    assert "falkit: " not in doctor().output
    assert "falkit: " not in doctor("other.py").output


def test_a_folder_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("tests").mkdir()
    scan = os.scandir

    def scandir(path: Path) -> Any:
        if Path(path).name == "tests":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    # The tests may run as root, who may read all.
    monkeypatch.setattr(os, "scandir", scandir)
    result = doctor()
    assert (result.exit_code, "tests: Permission denied" in result.output) == (3, True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", "# fal.run\n" + "".join(f"a{i} = [a{i + 1}, a{i + 1}]\n" for i in range(60))),
        ("a.py", "# fal.run\n" + "x = " + "+".join("a" * 50_000)),
        ("a.js", "// fal.run nock\n" + "`${" * 50_000),
        (
            "a.js",
            "// fal.run nock\n" + "".join(f"const a{i}=[a{i + 1},a{i + 1}];" for i in range(60)),
        ),
        ("a.js", "// fal.run nock\n" + "".join(f"const c{i}=" for i in range(20_000))),
        ("a.js", "// fal.run nock\n" + "x=>" * 10_000),
        ("a.js", "// fal.run nock\n)"),
        ("a.js", "// fal.run nock\nf({"),
        ("a.js", "// fal.run nock\n" + "x = /[" * 1000),
    ],
    ids=[
        "names",
        "sum",
        "templates",
        "constants",
        "signs",
        "arrows",
        "closes",
        "opens",
        "patterns",
    ],
)
def test_hostile_files_are_named_or_read(name: str, text: str) -> None:
    Path(name).write_text(text + "\nx = {'status_url': a0, \"cancel_url\": a0}\n" * ("a0" in text))
    assert doctor().exit_code in (0, 3)


def test_a_path_that_is_not_there_is_a_usage_error() -> None:
    result = doctor("nowhere")
    assert result.exit_code == 2
    assert "PATH: 'nowhere' doesn't exist; give a file or folder" in result.output


def explain(*words: str) -> Result:
    return CliRunner().invoke(falkit, ["explain", *words])


def test_every_code_is_listed_and_explained() -> None:
    listed = explain().output
    for code, kind in finding_kinds().items():
        assert f"{code} " in listed
        told = " ".join(explain(code).output.split())
        assert kind.why.split(".")[0] in told
        assert kind.severity in ("error", "warning", "note")
        # And the words of the page's section.
        assert len(told.partition(f"From docs/{kind.see}: ")[2]) > 100, code
        assert not re.search(r"\((C|1?L|I-3p)\)|\]\(|\bPY\b", told), code
    assert "Only `{app}/requests/{rid}` works" in " ".join(explain("whole-id-url").output.split())
    assert json.loads(explain("--json", "real-key").output)[0]["severity"] == "error"


def test_a_code_that_is_misspelt_is_named_with_the_right_one() -> None:
    result = explain("whole-id")
    assert result.exit_code == 2
    assert "CODE: there is no 'whole-id'; did you mean whole-id-url?" in result.output


def test_every_page_that_a_code_names_is_there() -> None:
    root = Path(__file__).parents[3]
    docs = root / "docs"
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    brought = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    named = {re.split("[ #]", kind.see)[0] for kind in finding_kinds().values()}
    assert brought == {f"docs/{name}": f"falkit_spec/docs/{name}" for name in named}
    for kind in finding_kinds().values():
        place, _, section = kind.see.partition(" §")
        page, _, anchor = place.partition("#")
        text = (docs / page).read_text("utf-8")
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
        assert not anchor or anchor in anchors, kind.code
        assert not section or re.search(rf"^###? §{section} ", text, re.MULTILINE), kind.code
