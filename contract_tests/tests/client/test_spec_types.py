"""`falkit spec types`: valid Python whatever the names, which type checkers and users can use."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from click.testing import CliRunner, Result

from checkers import ROOT, by_basedpyright, by_mypy
from falkit import Settings
from falkit_spec.cli.spec import spec
from nights import NIGHTLY
from serving import running

FAST = "fal-ai/ltx-2/image-to-video/fast"
STRANGE = (
    *("class", "from", "None", "3d", "a-b", "a.b", "a b", "größe", "画像", "$ref", "__slots__"),
    *("__private", "_own", "self", "cls", "input", "endpoint", "list", "str", "int", "Literal"),
    *("items", "keys", "get", "", "\n", '"', "'", "\\", "\0", "\u202eevil", "ﬁle", "Image"),
    "x" * 300,
)
PROSE = 'He said """stop"""\\ \\N{x} \0 \u202eevil\u202c {brace} %s \\u00e9 "'
FLOATS: list[Any] = ["a\nb", 'q"q', "it's", "\u202e", "\\", None, True, False, 0, 1, 2.5, [1], {}]


def document(
    endpoint_id: str, takes: object, gives: object = None, schemas: object = None
) -> dict[str, Any]:
    def body(schema: object) -> dict[str, Any]:
        return {"content": {"application/json": {"schema": schema}}}

    submit, result = f"/{endpoint_id}", f"/{endpoint_id}/requests/{{request_id}}"
    return {
        "openapi": "3.0.4",
        "info": {"x-fal-metadata": {"endpointId": endpoint_id, "category": "image-to-image"}},
        "components": {"schemas": schemas or {}},
        "paths": {
            submit: {"post": {"requestBody": body(takes)}},
            result: {"get": {"responses": {"200": body(gives)}}},
        },
    }


def shape(title: str, **fields: object) -> dict[str, Any]:
    return {"type": "object", "title": title, "properties": fields}


def whole(title: str, **fields: object) -> dict[str, Any]:
    return {**shape(title, **fields), "required": [*fields]}


TEXT = {"type": "string"}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def nested(depth: int) -> dict[str, Any]:
    return {"type": "array", "items": nested(depth - 1)} if depth else TEXT


HOSTILE = [
    document(
        "a/strange",
        {
            "type": "object",
            "properties": {name: {**TEXT, "description": PROSE} for name in STRANGE},
            "required": ["from", "a-b", "prompt"],
        },
        shape(PROSE, **{"3d": {"const": "x"}, "odd": {"enum": FLOATS}, "floats": {"enum": [0.5]}}),
    ),
    document(
        "a/alone",
        shape("X", image_url=TEXT, many={"type": "array", "items": ref("Image")}),
        whole("Y", image=ref("Image"), other=ref("Picture"), tree=ref("Tree"), any={}),
        {
            "Image": whole("Image", url=TEXT, width={"type": "integer"}),
            "Picture": shape("Image", url=TEXT, height={"type": "integer"}),
            "Tree": whole(
                "Tree", left=ref("Tree"), right={"anyOf": [ref("Tree"), {"type": "null"}]}
            ),
        },
    ),
    document(
        "a/alone/with/same", shape("X", image=ref("Image")), {}, {"Image": shape("Image", a=TEXT)}
    ),
    document("a/b-c", shape("X", prompt=TEXT), whole("Result", text=TEXT)),
    document("a/b_c", shape("X", prompt=TEXT), shape("Client", text=TEXT)),
    document("a/b_c/d", shape("X", prompt=TEXT), shape("TypedDict", text=TEXT)),
    document("a/b_c/d/", shape("X", prompt=TEXT), None),
    document("a/b_c/async-d", shape("X", prompt=TEXT), None),
    document("class/import.3/5", {}, {"type": "array", "items": TEXT}),
    document("workflows/me/3d-flow", {"anyOf": [shape("A", a=TEXT), shape("B", b=TEXT)]}, TEXT),
    document(
        "3d/4.5",
        {"type": "array", "items": TEXT},
        {"allOf": [shape("A", a=TEXT), shape("B", b=TEXT)]},
    ),
    document(
        "a/circle",
        shape("X", x=ref("A"), y=ref("J")),
        None,
        {
            "A": ref("B"),
            "B": ref("A"),
            "J": {"anyOf": [TEXT, {"type": "array", "items": ref("J")}]},
        },
    ),
    document(
        "a/bomb",
        shape("X", x=ref("L0"), y=ref("T0")),
        None,
        {f"L{n}": {"anyOf": [ref(f"L{n + 1}"), ref(f"L{n + 1}")]} for n in range(60)}
        | {f"T{n}": {"prefixItems": [ref(f"T{n + 1}"), ref(f"T{n + 1}")]} for n in range(60)},
    ),
    document(
        "a/kinds",
        shape(
            "X",
            pair={
                "type": "array",
                "prefixItems": [{"type": "integer"}, TEXT],
                "minItems": 2,
                "maxItems": 2,
            },
            old_pair={"type": "array", "items": {"0": {"type": "number"}, "1": TEXT}},
            table={"type": "object", "additionalProperties": {"type": "number"}},
            free={"type": "object"},
            nothing={"type": "object", "properties": {}},
            either={"oneOf": [{"type": "integer"}, {"enum": ["auto"]}, {"type": "null"}]},
            both={"type": ["integer", "null"]},
            deep=nested(60),
            wide={"anyOf": [{"const": f"v{n}"} for n in range(3000)]},
            lists={"type": "array"},
            seed={"type": "integer"},
        ),
        shape("Y", pair={"type": "array", "prefixItems": [{"type": "integer"}, TEXT]}),
    ),
]
USERS_FILE = """
from __future__ import annotations

from pathlib import Path

from fal_types import AsyncClient, Client
from fal_types.a_alone import Image
from fal_types.a_kinds import KindsInput

with Client("id:secret") as client:
    picture: Image = {"url": "https://a.net/b.png", "width": 8}
    client.run("a/alone", {"image_url": Path("a.png"), "many": [picture]})
    client.run("a/alone", {"image_url": 7})  # wrong
    client.submit("a/alone", {"image": "https://a.net/b.png"})  # wrong
    client.run("a/unknown", {})  # wrong
    client.run("a/strange", {"from": "x", "a-b": "y", "3d": "z", "class": "x"})
    client.subscribe("a/strange", {"from": "x"})  # wrong
    width: int = client.run("a/alone", {}).output["image"]["width"]
    client.run("a/alone", {}).output["image"]["height"]  # wrong
    client.run("a/alone", {}).output["tree"]["left"]["left"]["left"]
    kinds: KindsInput = {"pair": (1, "a"), "old_pair": [0.5, "b"], "table": {"x": 1}}
    client.subscribe("a/kinds", kinds, logs=True, webhook_url="https://a.net")
    client.subscribe("a/kinds", {"either": "autos"})  # wrong
    client.endpoint("a/kinds").run(pair=(1, "a"), seed=None)
    client.endpoint("a/kinds").run(pair=("a", 1))  # wrong
    client.endpoint("a/unknown", check=False).run(anything=[1])
    client.endpoint("a/circle").submit(y=["a", ["b"]]).wait()


async def later() -> str:
    async with AsyncClient() as client:
        await client.submit("a/b-c", {"prompt": 7})  # wrong
        handle = await client.submit("a/b-c", {"prompt": "x"})
        return (await handle.result()).output["text"]
"""


def run(*words: object) -> Result:
    return CliRunner().invoke(spec, ["types", *map(str, words)], catch_exceptions=False)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    for number, data in enumerate(HOSTILE):
        (folder / f"{number}.json").write_text(json.dumps(data))
    return folder


def fal_documents() -> Path:
    place = os.environ.get("DOCS", "")
    if not Path(place).is_dir() or not place:
        pytest.skip("DOCS names no folder with fal's documents")
    return Path(place)


def modules(out: Path) -> list[Path]:
    return sorted(out.glob("*.py")) if out.is_dir() else [out]


def imported(out: Path, extra: str = "") -> str:
    """Import what was written, in a process of its own; give what it prints."""
    code = f"import {out.stem}\nfrom {out.stem} import AsyncClient, Client\n{extra}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=out.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["fal_types", "fal_types.py"])
def test_hostile_documents_become_python_that_is_imported(hostile: Path, name: str) -> None:
    out = hostile.parent / name
    assert run("--documents", hostile, "--out", out).exit_code == 0
    for path in modules(out):
        text = path.read_text("utf-8")
        ast.parse(text)
        assert all(one.isprintable() or one == "\n" for one in text), path
    imported(out)


def test_every_type_means_something(hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = hostile.parent / "typed_for_hints.py"
    assert run("--documents", hostile, "--out", out).exit_code == 0
    loaded = importlib.util.spec_from_file_location(out.stem, out)
    assert loaded is not None
    assert loaded.loader is not None
    module = importlib.util.module_from_spec(loaded)
    monkeypatch.setitem(sys.modules, out.stem, module)
    loaded.loader.exec_module(module)
    shapes = {name: one for name, one in vars(module).items() if hasattr(one, "__total__")}
    hints = {name: get_type_hints(one) for name, one in shapes.items()}
    assert set(hints["StrangeInput"]) == {name for name in STRANGE if name}
    assert {"Image", "AloneImage", "AloneWithSameImage"} <= set(hints)
    assert hints["Tree"]["left"] is shapes["Tree"]


@pytest.mark.parametrize("checker", [by_mypy, by_basedpyright])
def test_type_checkers_read_hostile_types_and_refuse_what_they_refuse(
    hostile: Path, checker: Callable[..., set[int]]
) -> None:
    home = hostile.parent / "home"
    home.mkdir()
    assert run("--documents", hostile, "--out", home / "fal_types").exit_code == 0
    assert run("--documents", hostile, "--out", home / "one.py").exit_code == 0
    (home / "user.py").write_text(USERS_FILE)
    wrong = {at for at, line in enumerate(USERS_FILE.splitlines(), 1) if line.endswith("# wrong")}
    assert checker(home / "user.py", home / "one.py", *modules(home / "fal_types")) == wrong


def test_one_endpoint_is_enough(hostile: Path) -> None:
    home = hostile.parent / "home"
    home.mkdir()
    assert run("a/b-c", "--documents", hostile, "--out", home / "one.py").exit_code == 0
    assert by_mypy(home / "one.py") == by_basedpyright(home / "one.py") == set()


def test_the_same_documents_make_the_same_text_and_check_says_so(hostile: Path) -> None:
    out = hostile.parent / "fal_types"
    first = run("--documents", hostile, "--out", out)
    assert "a_alone.py: written" in first.stdout
    before = {path: path.read_bytes() for path in modules(out)}
    again = run("--documents", hostile, "--out", out, "--check")
    assert again.exit_code == 0
    assert again.stdout == f"{out}: up to date\n"
    data = document("a/b-c", shape("X", prompt={"type": "integer"}))
    (hostile / "3.json").write_text(json.dumps(data))
    (hostile / "13.json").unlink()
    changed = run("--documents", hostile, "--out", out, "--check")
    assert changed.exit_code == 1
    assert f"{out / 'a_b_c.py'}: differs" in changed.stdout
    assert {path: path.read_bytes() for path in modules(out)} == before
    assert "a_kinds.py: removed" in run("--documents", hostile, "--out", out).stdout
    assert not (out / "a_kinds.py").exists()


def test_what_falkit_did_not_write_is_left_alone(hostile: Path) -> None:
    mine = hostile.parent / "mine.py"
    mine.write_text("x = 1\n")
    result = run("--documents", hostile, "--out", mine)
    assert result.exit_code == 2
    assert "isn't of falkit's making" in result.stderr
    assert mine.read_text() == "x = 1\n"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--out", "x.py"], "name the endpoints, or --documents"),
        (["a/unknown", "--out", "x.py"], "no document for 'a/unknown'"),
        ([FAST, "--out", "fal-types"], "Python can't import 'fal-types'"),
        ([FAST, "--out", "3d.py"], "Python can't import '3d'"),
        ([FAST, "--out", "class"], "Python can't import 'class'"),
        ([FAST], "--out"),
    ],
)
def test_what_cannot_be_written_is_said(words: list[str], why: str) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert why in result.stderr


def test_a_broken_document_harms_no_other(hostile: Path) -> None:
    (hostile / "z.json").write_text("{")
    out = hostile.parent / "fal_types"
    result = run("--documents", hostile, "--out", out)
    assert result.exit_code == 0
    assert "z.json" in result.stderr
    imported(out)


def test_a_typed_client_calls_as_its_parent_does(tmp_path: Path) -> None:
    assert run(FAST, "--out", tmp_path / "fal_types.py").exit_code == 0
    with running(Settings(timing="instant")) as mock:
        code = f"""
from falkit_fixtures.images import sample
with Client("id:secret", {mock.url!r}) as client:
    body = {{"prompt": "Rain", "image_url": sample("jpeg")}}
    print(client.run({FAST!r}, body).output["video"]["content_type"])
    print(client.endpoint({FAST!r}).subscribe(**body).output["video"]["content_type"])
"""
        assert imported(tmp_path / "fal_types.py", code) == "video/mp4\nvideo/mp4\n"


def test_the_page_is_right(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "types.md").read_text("utf-8")
    first, second, check = re.findall(r"^falkit spec (types .*)$", page, re.MULTILINE)
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    words = first.replace("fal_types.py", str(tmp_path / "fal_types.py")).split()
    assert CliRunner().invoke(spec, words).exit_code == 0
    assert check == f"{second} --check"
    (tmp_path / "page.py").write_text(code)
    assert by_mypy(tmp_path / "page.py", tmp_path / "fal_types.py") == set()
    with running(Settings(timing="instant")) as mock:
        base = f'"any:key", {mock.url!r}'
        assert imported(tmp_path / "fal_types.py", code.replace("Client()", f"Client({base})")) == (
            "video/mp4\n0.36\n"
        )


@pytest.mark.parametrize("month", ["2026-01", "2026-05"])
def test_all_of_fals_documents_become_python(tmp_path: Path, month: str) -> None:
    documents = fal_documents() / month
    for name in ("fal_types", "one.py"):
        assert run("--documents", documents, "--out", tmp_path / name).exit_code == 0
        for path in modules(tmp_path / name):
            ast.parse(path.read_text("utf-8"))
        imported(tmp_path / name)


@pytest.mark.parametrize("checker", [by_mypy, by_basedpyright])
def test_type_checkers_have_nothing_against_fals_documents(
    tmp_path: Path, checker: Callable[..., set[int]]
) -> None:
    places = sorted(fal_documents().rglob("*.json"))
    if not NIGHTLY:
        places = random.Random(11).sample(places, min(len(places), 12))
    words = [word for place in places for word in ("--documents", place)]
    assert run(*words, "--out", tmp_path / "fal_types").exit_code == 0
    assert run(*words, "--out", tmp_path / "one.py").exit_code == 0
    assert checker(tmp_path / "one.py", *modules(tmp_path / "fal_types")) == set()


def test_fals_prose_is_in_no_shipped_type() -> None:
    shipped = (ROOT / "client" / "falkit_client" / "types").rglob("*.py")
    assert [path.name for path in sorted(shipped)] == [
        "__init__.py",
        "__init__.py",
        "ltx_2.py",
        "ltx_2_calls.py",
    ]
