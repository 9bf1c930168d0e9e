"""Rules and options from the command line and from a file; what is wrong ends it with a line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from falkit_mock.cli.config import read_config
from falkit_mock.cli.faults import faults
from falkit_mock.cli.serve import serve
from falkit_mock.faults.catalogue import FAULTS
from falkit_mock.faults.rules import Rule
from falkit_spec.cli.project import ConfigError, find_config
from processes import FALKIT
from serving import PATIENCE, T2V

ASK = (
    "import os, sys, urllib.request as u\n"
    "request = u.Request('https://fal.run/fal-ai/ltx-2/text-to-video', b'{\"prompt\": \"x\"}',"
    " {'authorization': 'Key id:secret', 'content-type': 'application/json'})\n"
    "try: print(u.urlopen(request).status)\n"
    "except u.HTTPError as error: print(error.code)\n"
)


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Have a program call fal.run once under `falkit run`, in a folder."""
    command = [FALKIT, "run", "--timing", "instant", *options, "--", sys.executable, "-c", ASK]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=6 * PATIENCE)


def refused(folder: Path, *options: str) -> str:
    """Return the one line with which `falkit serve` ends."""
    done = subprocess.run(
        [FALKIT, "serve", "--port", "0", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    return line


def test_the_command_line_sets_rules(tmp_path: Path) -> None:
    done = run(tmp_path, "--fault", "runner_server_error times=1", "--fault", "bad_key skip=1")
    assert done.stdout == "500\n"


def test_a_config_file_sets_rules_and_options_and_is_announced(tmp_path: Path) -> None:
    (tmp_path / "falkit.toml").write_text(
        'api-key = "id:secret"\nport = 1\nseed = 3\n[assume]\nunknown-request = "detail"\n'
        '[[rules]]\nfault = "account_locked"\ntimes = 1\nendpoint = "fal-ai/ltx-2/*"\n'
        "input.prompt = 'x'\n"
    )
    done = run(tmp_path)
    assert done.stdout == "403\n"
    assert "falkit: settings from falkit.toml, with 1 rule\n" in done.stderr
    over = run(tmp_path, "--fault", "bad_key")
    assert over.stdout == "401\n", "the command line's rules come first"


def test_the_nearest_file_up_to_the_repositorys_root_counts(tmp_path: Path) -> None:
    outside, root, inner = tmp_path, tmp_path / "repository", tmp_path / "repository" / "a" / "b"
    inner.mkdir(parents=True)
    (outside / "falkit.toml").touch()
    assert find_config(inner) == outside / "falkit.toml", "there is no repository yet"
    (root / ".git").mkdir()
    assert find_config(inner) is None
    (root / "pyproject.toml").write_text("[tool.other]\n")
    assert find_config(inner) is None
    (root / "pyproject.toml").write_text('[tool.falkit]\ntiming = "polls"\n')
    assert find_config(inner) == root / "pyproject.toml"
    (root / "falkit.toml").touch()
    assert find_config(inner) == root / "falkit.toml"


def test_pyproject_has_the_same_under_its_table(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text('[tool.falkit]\ntiming = "polls"\n[[tool.falkit.rules]]\nfault = "hang"\n')
    config = read_config(file)
    assert config.options == {"timing": "polls"}
    assert [rule.text() for rule in config.rules] == ["hang"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("runnrs = 3", "falkit.toml: runnrs: no option has this name; did you mean runners?"),
        ('runners = "x"', "falkit.toml: runners: 'x' isn't a whole number"),
        ("config = 'x'", "falkit.toml: config: a file can't name another"),
        ("fault = 'x'", "falkit.toml: fault: write each as [[rules]] with fault = NAME"),
        ("rules = 3", "falkit.toml: rules: write each as [[rules]] with fault = NAME"),
        (
            "output = 3",
            'falkit.toml: output: write "ID=FILE.json", a list of such, or [output]'
            ' with "ID" = "FILE.json"',
        ),
        (
            "[output]\na = {}",
            'falkit.toml: output: write "ID=FILE.json", a list of such, or'
            ' [output] with "ID" = "FILE.json"',
        ),
        (
            "output = 'a/b=c.json'",
            "falkit.toml: output: 'c.json' isn't there; give a file of JSON, or a folder of them",
        ),
        (
            '[[rules]]\nfault = "hang"\n[[rules]]\nfault = "latency"\nsecs = 2',
            "falkit.toml: rule 2 (latency): 'secs' isn't a parameter; did you mean seconds?",
        ),
    ],
)
def test_a_file_that_cant_work_ends_it_with_one_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "falkit.toml").write_text(text)
    assert refused(tmp_path) == f"falkit: {line}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[[rule]]\nfault = 'hang'", "rule: did you mean rules? write each as [[rules]]"),
        ("[[rules]]\ntimes = 1", "rule 1: fault: missing; give the name of one"),
        ("quiet = 3", "quiet: 3 is neither true nor false"),
        ("seed = true", "seed: true isn't a whole number"),
        ("request-log = []", "request-log: [] isn't a whole number"),
        ("timing = 'soon'", "timing: 'soon' is none of"),
        (
            "result-ttl = -5",
            "result-ttl: '-5' isn't a time to fetch a result in; give fal, forever",
        ),
        ("assume = ['x']", "assume: 'x' is not of the form"),
        ("clock = 'manual'\nclock-start = 'x'", "clock-start: 'x' isn't a moment"),
        ("host = '999.1.1.1'", "host: '999.1.1.1' isn't an address to listen on"),
        (f"seed = 0x{'f' * 9000}", "seed: so long a number isn't a whole number"),
        (f"seed = {'9' * 5000}", "isn't TOML: "),
        ("a = " + "[" * 5000, "isn't TOML: "),
    ],
    ids=str,
)
def test_a_mistake_in_a_config_file_is_reported_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, line: str
) -> None:
    (tmp_path / "falkit.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(serve, ["--port", "0"])
    assert done.exit_code == 2, done.output
    assert f"Error: falkit.toml: {line}" in done.output


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--result-ttl", "-5", "give fal, forever, seconds above 0"),
        ("--host", "999.1.1.1", "give one of this machine's, such as 127.0.0.1"),
        ("--host", "x" * 99, "isn't an address to listen on"),
    ],
)
def test_an_impossible_option_is_reported_with_the_fix(option: str, value: str, words: str) -> None:
    done = CliRunner().invoke(serve, ["--port", "0", option, value])
    assert (done.exit_code, words in done.output) == (2, True), done.output
    assert f"{option[2:]}: " in done.output


def test_a_rule_for_an_endpoint_that_is_not_there_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"none of falkit's")
    state = ["--port", "0", "--state", str(tmp_path / "state")]
    command = ["--fault", "hang endpoint=fal-ai/no-such*", *state]
    assert "no endpoint of this mock fits" in CliRunner().invoke(serve, command).output
    told = Rule.read("hang endpoint=fal-ai/ltx2/*").missed(["fal-ai/ltx-2/a", "x"])
    assert (
        told == "no endpoint of this mock fits endpoint=fal-ai/ltx2/*; did you mean fal-ai/ltx-2/a?"
    )
    assert Rule.read("hang endpoint=*/a").missed(["fal-ai/ltx-2/a"]) is None


@pytest.mark.parametrize(
    "text",
    [
        f'output = "{T2V}=pins/clip.json times=1"',
        f'[output]\n"{T2V}" = "pins/clip.json times=1"',
        f'[[rules]]\noutput = "pins/clip.json"\nendpoint = "{T2V}"\ntimes = 1',
        f'rules = ["output=pins/clip.json endpoint={T2V} times=1"]',
    ],
)
def test_a_file_pins_outputs_that_lie_beside_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "falkit.toml").write_text(text)
    (tmp_path / "inner").mkdir()
    (tmp_path / "pins").mkdir()
    (tmp_path / "pins" / "clip.json").write_text('{"video": {"url": "https://example.com/x.mp4"}}')
    done = run(tmp_path / "inner", "--verbose")
    pinned = f"falkit answered a pinned output (r1: {tmp_path / 'pins' / 'clip.json'})"
    assert (done.stdout, pinned in done.stderr) == ("200\n", True), done.stderr
    assert f"settings from {tmp_path / 'falkit.toml'}, with 1 rule\n" in done.stderr
    assert "never applied" not in done.stderr
    (tmp_path / "pins" / "clip.json").write_text('{"video": {"url": "x.mp4"}}')
    done = run(tmp_path)
    told = "clip.json: video.url: 'x.mp4' isn't there; put the file beside the JSON file"
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr


def test_outputs_of_the_command_line_come_first_and_what_no_call_had_is_told_of(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.json").write_text('{"video": {"url": "https://example.com/x.mp4"}}')
    rule = f'[[rules]]\noutput = "a.json"\nendpoint = "{T2V}"'
    (tmp_path / "falkit.toml").write_text(rule)
    done = run(tmp_path, "--output", "acme/none=a.json", "--output", f"{T2V}=a.json key=id")
    idle = [line for line in done.stderr.splitlines() if "never applied" in line]
    assert idle == [
        "  never applied: 'output=a.json endpoint=acme/none'",
        f"  never applied: 'output=a.json endpoint={T2V}'",
    ]
    assert "no endpoint of this mock fits endpoint=acme/none" in done.stderr


def test_a_missing_or_malformed_toml_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "falkit.toml").write_text("a = = b")
    with pytest.raises(ConfigError, match="isn't TOML"):
        read_config(tmp_path / "falkit.toml")
    assert refused(tmp_path).startswith("falkit: falkit.toml: isn't TOML: ")
    line = refused(tmp_path, "--config", "other.toml")
    assert line == "falkit: other.toml: no such file or directory"


def test_a_rule_of_the_command_line_that_cant_work_ends_it_with_one_line(tmp_path: Path) -> None:
    line = refused(tmp_path, "--fault", "image_lod_error")
    assert line == (
        "falkit: --fault: fault: 'image_lod_error' isn't a fault; did you mean image_load_error?"
    )


def test_the_faults_fit_a_narrow_terminal_and_say_what_is_common_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    table = CliRunner().invoke(faults, []).output
    assert max(map(len, table.splitlines())) <= 80
    assert table.count("the input's field that it is about") == 1
    assert table.count("what both retry headers say") == 1
    assert "the input's field" in CliRunner().invoke(faults, ["image-load"]).output


def test_the_command_lists_the_faults() -> None:
    table = CliRunner().invoke(faults, []).output
    assert all(f"  {name}" in table for name in FAULTS)
    listed = json.loads(CliRunner().invoke(faults, ["--json"]).output)
    assert [fault["name"] for fault in listed] == list(FAULTS)
    some = CliRunner().invoke(faults, ["video-duration", "bad_key"]).output
    assert "video_duration_too_long" in some
    assert "bad_key" in some
    assert "audio" not in some
    assert CliRunner().invoke(faults, ["zzz"]).exit_code == 2
