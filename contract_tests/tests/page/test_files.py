from __future__ import annotations

import gzip
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

import licences
from falkit_mock import page

FOLDER = Path(page.__file__).with_name("files")
VENDOR = FOLDER / "vendor"
ROOT = Path(__file__).parents[3]
LOCK: dict[str, Any] = json.loads(Path(__file__).with_name("package-lock.json").read_text())
FILES = [path for path in sorted(FOLDER.rglob("*")) if path.is_file()]


def test_the_libraries_are_what_the_script_makes_of_their_packages() -> None:
    spec = importlib.util.spec_from_file_location("build_page", ROOT / "scripts/build_page.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert {path.name: path.read_text("utf-8") for path in VENDOR.iterdir()} == script.build()


def test_their_licences_are_beside_them_and_none_is_the_gpl() -> None:
    said = re.findall(r"^(\S+) (\S+), (\S+)$", (VENDOR / "licences.txt").read_text(), re.MULTILINE)
    shipped = {
        name.removeprefix("node_modules/"): (about["version"], about["license"])
        for name, about in LOCK["packages"].items()
        if name and not about.get("dev")
    }
    assert {name: (version, licence) for name, version, licence in said} == shipped
    assert not [licence for _, licence in shipped.values() if licences.is_gpl(licence)]


def test_all_of_it_takes_at_most_120_kilobytes_on_the_wire() -> None:
    served = [path for path in FILES if path.suffix != ".txt"]
    assert sum(len(gzip.compress(path.read_bytes(), 6)) for path in served) <= 120_000


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.suffix == ".js"], ids=lambda path: path.name
)
def test_a_module_imports_by_paths_that_exist(path: Path) -> None:
    text = path.read_text()
    named = re.findall(r'^(?:import|export)\b[^"\';]*\bfrom ?"([^"]+)"', text, re.MULTILINE)
    for name in named:
        assert name.startswith("."), name
        assert (path.parent / name).exists(), name


def test_colours_are_in_one_file() -> None:
    rules = (FOLDER / "page.css").read_text()
    assert re.findall(r"#[0-9a-f]{3,8}\b|\bhsl\(", rules) == []


def test_no_file_of_ours_is_longer_than_400_lines() -> None:
    ours = [path for path in FILES if path.suffix in (".js", ".html") and path.parent != VENDOR]
    assert [path.name for path in ours if len(path.read_text().splitlines()) > 400] == []
