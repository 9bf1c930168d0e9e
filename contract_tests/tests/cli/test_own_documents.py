"""`--documents` in every command that knows endpoints, and `falkit serve --reload`."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from falkit_mock.cli import main
from falkit_mock.cli.reload import Reload
from falkit_spec import Catalog
from own_documents import PAINT, data_of, overlay, priced, write
from processes import FALKIT, started
from serving import KEY, PATIENCE

EVERY = [
    ("serve", "--port", "0"),
    ("run", "--", sys.executable, "-c", ""),
    ("call", PAINT, "prompt=x"),
    ("spec", "list"),
    ("spec", "show", PAINT),
    ("spec", "combinations", PAINT),
    ("trigger", "completed", "--standalone", "--to", "http://127.0.0.1:9", "--endpoint", PAINT),
]


@dataclass(frozen=True)
class Done:
    """What a command that ended said."""

    returncode: object
    stdout: str
    stderr: str


Falkit = Callable[..., Done]
CALL = (
    "import falkit\n"
    "client = falkit.Client()\n"
    "print(sorted(client.run('acme/paint', {'prompt': 'x'}).output))\n"
)


@pytest.fixture
def falkit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Falkit:
    """Run a command in this process, in the test's folder; give its exit code and streams."""
    monkeypatch.delenv("FALKIT_DOCUMENTS", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Done:
        code: object = 0
        try:
            main([*words])
        except SystemExit as ended:
            code = ended.code
        out, err = capfd.readouterr()
        return Done(code, out, err)

    return run


def with_option(words: Sequence[str], *option: str) -> list[str]:
    """Put an option where a command takes it: before the program that it runs."""
    at = words.index("--") if "--" in words else len(words)
    return [*words[:at], *option, *words[at:]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a document, a broken one, and an overlay."""
    write(tmp_path / "fal" / "paint.json", data_of(PAINT))
    write(tmp_path / "fal" / "paint.yaml", overlay(PAINT, {"pricing": priced("duration")}))
    write(tmp_path / "fal" / "broken.json", "{")
    return tmp_path


@pytest.mark.parametrize("words", EVERY, ids=lambda words: " ".join(words[:2]))
def test_a_place_that_is_not_there_is_refused_in_one_line(
    falkit: Falkit, words: tuple[str, ...]
) -> None:
    done = falkit(*with_option(words, "--documents", "none"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "falkit: documents: none: isn't there; name a folder or a file with fal's documents; "
        "`falkit spec add ID` fetches one\n"
    )


@pytest.mark.parametrize("words", EVERY[3:6], ids=lambda words: " ".join(words[:2]))
def test_the_option_the_variable_and_the_file_name_documents(
    project: Path, falkit: Falkit, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    unknown = falkit(*words)
    assert PAINT not in unknown.stdout
    by_option = falkit(*words, "--documents", "fal")
    with monkeypatch.context() as patch:
        patch.setenv("FALKIT_DOCUMENTS", os.pathsep.join(["", "fal/paint.yaml", "fal"]))
        by_variable = falkit(*words)
    write(project / "falkit.toml", 'documents = ["fal"]\n')
    (project / "inner").mkdir()
    monkeypatch.chdir(project / "inner")
    by_file = falkit(*words)
    from_there = by_file.stdout.replace(f"{project}{os.sep}", "")
    assert by_option.stdout == by_variable.stdout == from_there
    for done, place in ((by_option, "fal"), (by_variable, "fal")):
        (said,) = done.stderr.splitlines()
        assert said.startswith(f"falkit: {place}/broken.json: not JSON"), said
        assert done.returncode == 0
    assert f"falkit: {project}/fal/broken.json: not JSON" in by_file.stderr
    if words[1] == "list":
        assert f"\n{PAINT} " in by_option.stdout


@pytest.mark.parametrize("words", EVERY[3:6], ids=lambda words: " ".join(words[:2]))
def test_without_any_of_them_the_folder_is_the_one_that_spec_add_writes(
    project: Path, falkit: Falkit, words: tuple[str, ...]
) -> None:
    by_option = falkit(*words, "--documents", "fal")
    (project / "fal").rename("fal-documents")
    by_itself = falkit(*words)
    assert by_itself.stdout == by_option.stdout.replace("fal/", "fal-documents/")
    assert by_itself.stderr == by_option.stderr.replace("fal/", "fal-documents/")
    write(project / "falkit.toml", "documents = []\n")
    assert falkit(*words).stderr != by_itself.stderr, "the file says that there are none"


def test_a_program_that_runs_has_the_documents_and_its_clients_have(
    project: Path, falkit: Falkit
) -> None:
    words = ("run", "--timing", "instant", "--documents", "fal", "--", sys.executable, "-c", CALL)
    done = falkit(*words)
    assert (done.returncode, done.stdout) == (0, "['image']\n"), done.stderr
    assert "falkit: fal/broken.json: not JSON" in done.stderr
    (project / "fal").rename("fal-documents")
    by_itself = falkit(*words[:3], *words[5:])
    assert (by_itself.returncode, by_itself.stdout) == (0, "['image']\n"), by_itself.stderr
    (project / "fal-documents").rename("fal")
    quiet = falkit(*with_option(words, "--quiet"))
    (said,) = [line for line in quiet.stderr.splitlines() if line.startswith("falkit: ")]
    assert said.startswith("falkit: fal/broken.json: not JSON"), "it is said all the same"


def test_the_file_names_places_from_where_it_is(
    project: Path, falkit: Falkit, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project / "falkit.toml", 'documents = "fal/paint.json"\ntiming = "instant"\n')
    (project / "inner").mkdir()
    monkeypatch.chdir(project / "inner")
    done = falkit("run", "--", sys.executable, "-c", CALL)
    assert (done.returncode, done.stdout) == (0, "['image']\n"), done.stderr
    for wrong in ("documents = [1]", "documents = [[]]"):
        write(project / "falkit.toml", wrong)
        for words in (("spec", "list"), ("run", "--", "true")):
            assert "falkit.toml: documents: " in falkit(*words).stderr
    write(project / "falkit.toml", 'documents = ["none"]')
    for words in (("spec", "list"), ("run", "--", "true")):
        assert "falkit.toml: documents: " in falkit(*words).stderr


def test_a_call_of_ones_own_endpoint_is_checked_by_its_document(
    project: Path, falkit: Falkit
) -> None:
    where = ("--base-url", "http://127.0.0.1:9", "--documents", "fal/paint.json")
    done = falkit("call", PAINT, "prompt:=1", *where)
    assert done.returncode == 2
    assert "prompt: Input should be a valid string" in done.stderr
    unknown = falkit("call", PAINT, "prompt=x")
    assert "`falkit spec add acme/paint` fetches its document and says how to" in unknown.stderr


def test_serve_takes_changes_while_it_serves(project: Path) -> None:
    places = ("--documents", "fal", "--reload", "--timing", "instant")
    command = [FALKIT, "serve", "--port", "0", *places]
    # A file: as fast as it is asked, a pipe that nobody reads would be full before the next look.
    log = (project / "stderr").open("w+")
    with log, started(command, cwd=project, stderr=log) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        post = f"{url}/fal.run/acme/draw"
        with httpx.Client(headers=KEY, trust_env=False) as http:
            assert http.post(post, json={"prompt": "x"}).status_code == 404
            write(project / "fal" / "draw.json", data_of("acme/draw"))
            end = time.monotonic() + PATIENCE
            while (code := http.post(post, json={"prompt": "x"}).status_code) == 404:
                assert time.monotonic() < end, "the document was not taken"
            assert code == 200
            assert http.post(f"{url}/fal.run/{PAINT}", json={}).status_code == 200
        process.terminate()
        process.wait()
        log.seek(0)
        said = log.read()
    assert ", 1 document of yours)" in said
    added = f"falkit: fal{os.sep}draw.json: added, acme/draw\n"
    assert added in said


def test_each_look_says_what_changed_and_a_failure_once(project: Path) -> None:
    said: list[tuple[str, str]] = []
    catalog = Catalog.read([project / "fal"])
    reload = Reload(catalog, lambda line, level: said.append((level, line)), lambda _: True)
    reload.check()
    assert said == []
    for number in range(12):
        write(project / "fal" / f"{number}.json", data_of(f"acme/{number}"))
    write(project / "fal" / "more.json", "no JSON")
    reload.check()
    assert [level for level, _ in said] == ["info"] * 11 + ["warning"]
    assert said[0] == ("info", f"{project / 'fal' / '0.json'}: added, acme/0")
    assert said[10] == ("info", "documents: 2 more such lines are left out")
    assert said[11][1].startswith(f"{project / 'fal' / 'more.json'}: not JSON")
    said.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "reread", lambda: 1 / 0)
        reload.check()
        reload.check()
    assert said == [("warning", "documents: can't be read again (division by zero)")]
    assert "acme/11" in catalog


def test_there_is_nothing_to_reload_without_documents(falkit: Falkit) -> None:
    done = falkit("serve", "--port", "0", "--reload")
    assert (done.returncode, done.stdout) == (2, "")
    assert "reload: there are no documents of yours to watch; give it folders" in done.stderr


def test_no_word_of_the_command_line_does_anything_to_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["spec", "list", "\x1b[31m\u202e"])
    assert capsys.readouterr().err == "falkit: Got unexpected extra argument ( [31m )\n"
