from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from falkit_spec import Catalog
from falkit_spec.cli import spec

FAST = "fal-ai/ltx-2/image-to-video/fast"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(spec, list(arguments))


def test_list_names_every_endpoint() -> None:
    result = run("list")
    assert result.exit_code == 0
    assert all(endpoint.id in result.stdout for endpoint in Catalog.vendored())
    assert "23 of 48" in result.stdout
    assert re.search(r"extend-video +2026-05 +video-to-video +2 +\$0.50\n", result.stdout)
    assert re.search(r"audio-to-video +2026-05 +audio-to-video +- +\$0.10/s\n", result.stdout)


def test_documents_of_an_earlier_month_are_shown_when_asked_for() -> None:
    listed = run("list", "--as-of", "2026-03").stdout
    assert "extend-video" not in listed
    assert listed.count(" 2026-01 ") == 5
    assert "aspect_ratio" in run("show", FAST, "--as-of", "2026-01").stdout
    assert "aspect_ratio" not in run("show", FAST).stdout
    found = [run("combinations", FAST, *more).stdout for more in ([], ["--as-of", "2026-01"])]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["list", "--as-of", "2025-12"], "as-of: '2025-12' is before the first documents; there"),
        (["show", FAST, "--as-of", "2026-1"], "as-of: '2026-1' isn't a month; write one such as"),
        (["show", "fal-ai/ltx-2/extend-video", "--as-of", "2026-01"], "is of 2026-05"),
        (["show", "fal-ai/flux/dev"], "no document for 'fal-ai/flux/dev', which says nothing"),
    ],
)
def test_a_month_or_an_id_without_a_document_is_refused(words: list[str], why: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert why in result.stderr
    assert "Traceback" not in result.stderr


def test_show_prints_inputs_rule_price_and_formats() -> None:
    result = run("show", FAST)
    assert result.exit_code == 0
    for text in ("6 | 8 | 10", "(required)", "1 to 5000 characters", "rule (inferred)", "webp"):
        assert text in result.stdout
    assert "1920x1080, 25 fps, 6 s, with sound, $0.24" in result.stdout


def test_combinations_prints_a_row_each_and_counts_them() -> None:
    result = run("combinations", FAST)
    header, rule, *rows, empty, count = result.stdout.splitlines()
    assert header.split() == ["duration", "resolution", "fps", "price", "legal"]
    assert set(rule) == {"-", " "}
    assert len(rows) == 48
    assert sum(row.endswith("yes") for row in rows) == 23
    assert sum("no: durations above 10 s" in row for row in rows) == 25
    assert (empty, count) == ("", "48 combinations, 23 legal")


@pytest.mark.parametrize("command", [("list",), ("combinations", FAST), ("show", FAST)])
def test_tables_fit_a_terminal_of_80_columns(command: tuple[str, ...]) -> None:
    assert max(map(len, run(*command).stdout.splitlines())) <= 80


@pytest.mark.parametrize("endpoint", Catalog.vendored(), ids=lambda endpoint: endpoint.id)
def test_every_endpoint_is_shown_within_100_columns(endpoint: object) -> None:
    endpoint_id = str(getattr(endpoint, "id", ""))
    assert max(map(len, run("show", endpoint_id).stdout.splitlines())) <= 100


def test_combinations_as_json_is_json_and_nothing_else() -> None:
    rows = json.loads(run("combinations", FAST, "--format", "json").stdout)
    assert len(rows) == 48
    assert rows[0] == {
        "duration": 6,
        "resolution": "1080p",
        "fps": 25,
        "legal": True,
        "why": None,
        "price": "0.24",
    }


def test_combinations_as_csv_is_csv_and_nothing_else() -> None:
    text = run("combinations", FAST, "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 48
    assert sum(row["legal"] == "yes" for row in rows) == 23
    assert rows[-1]["price"] == "3.20"


@pytest.mark.parametrize("command", ["show", "combinations"])
def test_an_unknown_endpoint_is_a_usage_error_that_names_similar_ones(command: str) -> None:
    result = run(command, "fal-ai/ltx-2/image-to-vidio")
    assert result.exit_code == 2
    assert "did you mean fal-ai/ltx-2/image-to-video" in result.stderr
    assert "falkit spec list" in result.stderr


def test_validate_passes_the_vendored_documents() -> None:
    files = [endpoint.document.source for endpoint in Catalog.vendored()]
    result = run("validate", *files)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [f"{file}: ok" for file in files]


def test_validate_says_what_is_wrong_a_line_each(tmp_path: Path) -> None:
    data = json.loads(Catalog.vendored().get(FAST).document.raw)
    schemas = data["components"]["schemas"]
    schemas["Ltx2ImageToVideoFastInput"]["properties"]["duration"]["default"] = "6"
    del schemas["VideoFile"]
    data["openapi"] = "2.0"
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(data))
    result = run("validate", str(bad))
    assert result.exit_code == 1
    lines = [line.removeprefix(f"{bad}: ") for line in result.stdout.splitlines()]
    assert len(lines) == 3
    assert lines[0] == "`openapi` is '2.0'; fal's documents say '3.0.4'"
    gone = "`$ref` #/components/schemas/VideoFile leads nowhere; anything is accepted there"
    assert lines[1] == f"output: video: {gone}"
    assert lines[2].startswith("input 'duration': its default breaks its own schema ('6' is not")


def test_validate_goes_on_after_a_bad_file(tmp_path: Path) -> None:
    good = tmp_path / "good.json"
    shutil.copy(Catalog.vendored().get(FAST).document.source, good)
    no_json = tmp_path / "a.json"
    no_json.write_text("{")
    result = run("validate", str(tmp_path / "none.json"), str(no_json), str(good))
    assert result.exit_code == 1
    first, second, third = result.stdout.splitlines()
    assert "none.json: cannot be read" in first
    assert "a.json: not JSON" in second
    assert third == f"{good}: ok"


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ([], "JSON, but not an object"),
        ({}, "names no endpoint"),
        ({"paths": {"/a/b": {"post": {}}}}, "no GET at /a/b/requests/{request_id}"),
        ({"info": {"x-fal-metadata": {"endpointId": "a/b"}}}, "no POST at /a/b"),
        ({"paths": {"/a/b": {"post": {}}}}, "no input schema: anything is accepted"),
    ],
)
def test_validate_names_what_a_document_lacks(tmp_path: Path, data: object, line: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(json.dumps(data))
    result = run("validate", str(file))
    assert result.exit_code == 1
    assert line in result.stdout
    assert "Traceback" not in result.output


def test_validate_without_a_file_is_a_usage_error() -> None:
    assert run("validate").exit_code == 2
