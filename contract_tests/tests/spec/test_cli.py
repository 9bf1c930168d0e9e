from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from falkit_spec import Catalog, Document, Endpoint
from falkit_spec.cli.spec import spec

APP = "fal-ai/ltx-2"
FAST = "fal-ai/ltx-2/image-to-video/fast"
TRIM = "fal-ai/workflow-utilities/trim-video"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(spec, list(arguments), env={"COLUMNS": "150"})


def test_list_names_every_endpoint() -> None:
    result = run("list")
    assert result.exit_code == 0
    assert all(endpoint.id in result.stdout for endpoint in Catalog.vendored())
    assert "23 of 48" in result.stdout
    assert re.search(
        r"ltx-2/extend-video +2026-05 +confirmed +video-to-video +2 +\$0.50\n", result.stdout
    )
    assert re.search(
        r"ltx-2/audio-to-video +2026-05 +confirmed +audio-to-video +- +\$0.10/s of audio_url\n",
        result.stdout,
    )


def test_documents_of_an_earlier_month_are_shown_when_asked_for() -> None:
    listed = run("list", "--as-of", "2026-03").stdout
    assert "extend-video" not in listed
    assert listed.count(" 2026-01 ") == 6
    assert "aspect_ratio" in run("show", FAST, "--as-of", "2026-01").stdout
    assert "aspect_ratio" not in run("show", FAST).stdout
    found = [run("combinations", FAST, *more).stdout for more in ([], ["--as-of", "2026-01"])]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["list", "--as-of", "2025-12"], "as-of: '2025-12' is before the first documents; there"),
        (
            ["show", FAST, "--as-of", "2026-1"],
            "as-of: '2026-1' isn't a month or a day; write one such as",
        ),
        (["show", "fal-ai/ltx-2/extend-video", "--as-of", "2026-01"], "is of 2026-05"),
        (["show", "fal-ai/aura-flow"], "no document for 'fal-ai/aura-flow', which says nothing"),
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
    assert "document of 2026-05, confirmed\nhttps://fal.ai/api/openapi/queue/" in result.stdout
    assert "\nprice (confirmed): $0.24 by default\n" in result.stdout


@pytest.mark.parametrize(
    ("endpoint_id", "price"),
    [
        ("fal-ai/whisper", "price: unknown"),
        ("fal-ai/clarity-upscaler", "price (confirmed): $0.03/megapixel by default"),
        ("lightricks/ltx-2.5/text-to-video/pro", "price (confirmed): $0.17/s by default"),
        ("fal-ai/sync-lipsync/v2", "price (inferred): $0.05/s of video_url by default"),
        (TRIM, "price (confirmed): $0.001/s of computing by default"),
    ],
)
def test_a_price_that_is_not_known_is_called_so(endpoint_id: str, price: str) -> None:
    shown = run("show", endpoint_id).stdout
    assert f"\n{price}\n" in shown
    assert "$0 " not in shown
    [listed] = [line for line in run("list").stdout.splitlines() if f"{endpoint_id} " in line]
    assert listed.endswith(price.split()[-3] if "default" in price else "unknown")


def test_combinations_prints_a_row_each_and_counts_them() -> None:
    result = run("combinations", FAST)
    header, rule, *rows, empty, count = result.stdout.splitlines()
    assert header.split() == ["duration", "resolution", "fps", "price", "legal"]
    assert set(rule) == {"-", " "}
    assert len(rows) == 48
    assert sum(row.endswith("yes") for row in rows) == 23
    assert sum("no: durations above 10 s" in row for row in rows) == 25
    assert (empty, count) == ("", "48 combinations, 23 legal")


@pytest.mark.parametrize(
    ("command", "columns"), [(("list",), 125), (("combinations", FAST), 80), (("show", FAST), 90)]
)
def test_tables_fit_a_terminal(command: tuple[str, ...], columns: int) -> None:
    assert max(map(len, run(*command).stdout.splitlines())) <= columns


@pytest.mark.parametrize("command", [("list",), ("combinations", FAST)])
def test_tables_fit_a_terminal_of_80_columns(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(spec, command, env={"COLUMNS": "80"})
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize("endpoint_id", [one.id for one in Catalog.vendored() if one.app == APP])
def test_every_endpoint_of_ltx_2_is_shown_within_100_columns(endpoint_id: str) -> None:
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


def write(folder: Path, endpoint_id: str, takes: object, name: str = "") -> None:
    """Write a user's document of an endpoint that takes this."""
    body = {"content": {"application/json": {"schema": takes}}}
    data = {
        "openapi": "3.0.4",
        "info": {"x-fal-metadata": {"endpointId": endpoint_id}},
        "paths": {f"/{endpoint_id}": {"post": {"requestBody": body}}},
    }
    (folder / (name or f"{endpoint_id.replace('/', '_')}.json")).write_text(json.dumps(data))


def enums(*sizes: int) -> dict[str, Any]:
    fields = {f"f{at}": {"enum": [*range(size)]} for at, size in enumerate(sizes)}
    return {"type": "object", "properties": fields}


def test_however_many_combinations_are_counted_and_listed(tmp_path: Path) -> None:
    write(tmp_path, "me/many", enums(200, 100))
    write(tmp_path, "me/countless", enums(*[10] * 400))
    listed = run("list", "--documents", str(tmp_path))
    assert re.search(r"me/many +- +yours +20,000 +unknown\n", listed.stdout)
    assert "about 10^400" in listed.stdout
    rows = run("combinations", "me/many", "--format", "csv", "--documents", str(tmp_path))
    assert rows.stdout.count("\n") == 20_001
    assert rows.stdout.endswith("199,99,yes,,\n")
    few = run("combinations", "me/countless", "--fields", "f7,f3", "--documents", str(tmp_path))
    assert few.stdout.splitlines()[-1] == "100 combinations, 100 legal"
    one = json.loads(
        run("combinations", "me/countless", "--fields", "f7", "--format", "json",
            "--documents", str(tmp_path)).stdout
    )  # fmt: skip
    assert [row["f7"] for row in one] == [*range(10)]
    none = run("combinations", "me/countless", "--documents", str(tmp_path))
    assert none.exit_code == 2
    assert "has about 10^400 combinations, and at most 100,000 are printed" in none.stderr
    assert "such as --fields f0,f1" in none.stderr
    wrong = run("combinations", "me/many", "--fields", "f0,prompt", "--documents", str(tmp_path))
    assert wrong.exit_code == 2
    assert "'prompt' isn't one of the inputs that combine; those are f0, f1" in wrong.stderr


def test_legal_combinations_are_counted_by_the_inputs_that_rules_read(tmp_path: Path) -> None:
    data = json.loads(Catalog.vendored().get(FAST).document.raw)
    schema = data["components"]["schemas"]["Ltx2ImageToVideoFastInput"]
    schema["properties"] |= {"more": {"enum": [*range(1000)]}}
    (tmp_path / "fast.json").write_text(json.dumps(data))
    assert "23,000 of 48,000" in run("list", "--documents", str(tmp_path)).stdout


def test_one_broken_document_is_a_line_of_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Endpoint(Document(b"{", source="bad.json", endpoint_id="me/bad"))

    def catalog(documents: object, as_of: object) -> Catalog:
        return Catalog([broken, *Catalog.vendored()])

    monkeypatch.setattr("falkit_spec.cli.spec.read_catalog", catalog)
    result = run("list")
    assert result.exit_code == 0
    assert re.search(r"me/bad +- .*broken +unknown\n", result.stdout)
    assert "falkit: me/bad: bad.json: not JSON" in result.stderr
    found = json.loads(run("list", "--format", "json").stdout)
    assert [one["endpoint"] for one in found if "problem" in one] == ["me/bad"]
    assert FAST in [one["endpoint"] for one in found]


def test_what_is_broken_is_a_line_and_harms_no_other_endpoint(tmp_path: Path) -> None:
    write(tmp_path, "me/good", enums(2))
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "overlay.yaml").write_text(
        "overlay: 1.0.0\ninfo: {title: t, version: 1.0.0}\nactions:\n"
        "- target: $.paths['/me/good'].post\n  update: {x-falkit: {rules: [7]}}\n"
    )
    result = run("list", "--documents", str(tmp_path))
    assert result.exit_code == 0
    assert "bad.json" in result.stderr
    assert "overlay.yaml: me/good: rules[0]: " in result.stderr
    assert re.search(r"me/good +- +yours +2 +unknown\n", result.stdout)
    found = json.loads(run("list", "--format", "json", "--documents", str(tmp_path)).stdout)
    assert {"me/good", FAST} <= {one["endpoint"] for one in found}


SHOWN = {
    "type": "object",
    "required": ["prompt"],
    "properties": {
        "prompt": {"type": "string", "minLength": 1},
        "seed": {"type": "integer"},
        "size": {
            "default": "square",
            "anyOf": [
                {"type": "object", "properties": {"width": {"type": "integer", "minimum": 8}}},
                {"enum": ["square", "wide"]},
            ],
        },
        "loras": {
            "type": "array",
            "maxItems": 3,
            "items": {"type": "object", "properties": {"path": {"type": "string"}}},
        },
        "pair": {"type": "array", "prefixItems": [{"type": "number"}, {"type": "string"}]},
        "duration": {"enum": ["5", 10, "auto", None, "true"]},
        "image_url": {"type": "string", "x-fal": {"max_file_size": 1048576, "min_width": 300}},
        "link": {"type": "string", "format": "uri"},
        "share": {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5, "multipleOf": 0.25},
        "sizes": {"type": "object", "additionalProperties": {"type": "integer"}},
        "model": {"enum": [f"model-{n}" for n in range(30)]},
        "evil\u001b[31m": {"const": "\u202e"},
        "free": {},
    },
}


def test_show_says_what_any_input_takes(tmp_path: Path) -> None:
    write(tmp_path, "me/any", SHOWN)
    command = ["show", "me/any", "--documents", str(tmp_path)]
    result = CliRunner().invoke(spec, command, env={"COLUMNS": "400"})
    rows = {line.split("  ")[0]: line.split("  ", 1)[1].strip() for line in lines_of(result)}
    assert re.sub(" +", " ", rows.pop("prompt")) == "string, at least 1 characters (required)"
    assert re.sub(" +", " ", rows.pop("size")) == "object or square | wide square"
    assert rows.pop("model").endswith("| model-23 | … 6 more, which --format json has")
    assert rows == {
        "seed": "integer or null",
        "size.width": "integer, at least 8, or null",
        "loras": "list of object, at most 3 items",
        "loras[].path": "string or null",
        "pair": "list of [number, string]",
        "duration": '"5" | 10 | auto | null | "true"',
        "image_url": "string (at most 1 MiB; width at least 300 px) or null",
        "link": "string (uri) or null",
        "share": "number, more than 0, at most 0.5, multiple of 0.25, or null",
        "sizes": "object of integer",
        "evil\\x1b[31m": "\\u202e",
        "free": "anything",
    }
    told = json.loads(run(*command, "--format", "json").stdout)
    assert told["input"]["properties"]["model"]["enum"] == [f"model-{n}" for n in range(30)]
    assert [file["field"] for file in told["files"]] == ["loras[].path", "image_url"]


def lines_of(result: Result) -> list[str]:
    """The rows of the first table."""
    return result.stdout.split("\n\n")[1].splitlines()[2:]


@pytest.mark.parametrize("columns", [80, 150])
def test_any_endpoint_is_shown_within_the_terminal(tmp_path: Path, columns: int) -> None:
    write(tmp_path, "me/any", SHOWN)
    write(tmp_path, "somebody/with-a-long-name/and-a-long-endpoint/of-four-parts", SHOWN)
    for command in (["list"], ["show", "me/any"]):
        words = [*command, "--documents", str(tmp_path)]
        shown = CliRunner().invoke(spec, words, env={"COLUMNS": str(columns)}).stdout
        lines = [line for line in shown.splitlines() if not line.startswith(str(tmp_path))]
        assert max(map(len, lines)) <= columns
        if command == ["list"]:
            ids = [line.split()[0] for line in lines[2:]]
            assert ids == sorted(ids), "yours stand among falkit's own"
        else:
            assert f"unknown date, yours\n{tmp_path}{os.sep}" in shown
        assert ("category" in lines[0]) == (columns == 150 and command == ["list"])


@pytest.mark.parametrize("circle", ["Node", "Union"])
def test_an_endpoint_that_contains_itself_is_shown(tmp_path: Path, circle: str) -> None:
    there = {"$ref": f"#/components/schemas/{circle}"}
    node = {"type": "object", "properties": {"child": there}}
    schemas = {"Node": node, "Union": {"anyOf": [there, {"enum": ["a"]}]}}
    write(tmp_path, "me/circle", node)
    file = tmp_path / "me_circle.json"
    file.write_text(
        json.dumps({**json.loads(file.read_text()), "components": {"schemas": schemas}})
    )
    result = run("show", "me/circle", "--documents", str(tmp_path))
    assert result.exit_code == 0, result.exception
    assert ("child.child.child" in result.stdout) == (circle == "Node")
    assert run("list", "--documents", str(tmp_path)).exit_code == 0


def test_the_files_that_an_endpoint_takes_are_a_line_each() -> None:
    kling = run("show", "fal-ai/kling-video/v3/pro/image-to-video").stdout
    assert "\n\nstart_image_url: a URL or data URI (image, by its name)\nend_image_url: a" in kling
    weights = "loras[].path: a URL, data URI or name at Hugging Face (weights, by its name)"
    assert weights in run("show", "fal-ai/flux-lora").stdout
