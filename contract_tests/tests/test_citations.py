"""What the code cites of docs/wire.md is there: sections, rows and sources."""

from __future__ import annotations

import ast
import os
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = (
    *("spec", "fixtures", "client", "mockserver", "contract_tests", "scripts", "benchmarks"),
    "examples",
)
WIRE = (ROOT / "docs" / "wire.md").read_text()
TAG = r"(?:[A-Z]{2,}|D:[a-z][a-z/-]*[a-z]|I-3p|3P)"


def written() -> list[Path]:
    """Return the files in which somebody may cite: sources, documents, tests."""
    return [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        *(
            path
            for folder in FOLDERS
            for suffix in ("py", "md", "yaml")
            for path in ours(folder)
            if path.suffix == f".{suffix}"
        ),
    ]


@cache
def ours(folder: str) -> list[Path]:
    """Return the files that were written here, and not installed below one of our folders."""
    found: list[Path] = []
    for place, folders, names in os.walk(ROOT / folder):
        # Tens of thousands of files lie in these, which need not even be listed.
        folders[:] = [name for name in folders if name not in ("node_modules", ".venv")]
        found += [Path(place) / name for name in names]
    return sorted(found)


def running(path: Path) -> str:
    """Return a file's text on one line, so that a citation may be broken between two."""
    return re.sub(r"\s*\n\s*(?:# ?)?", " ", path.read_text())


def sections(page: str) -> set[str]:
    return set(re.findall(r"^##+ (§[\d.]+)", page, re.MULTILINE))


def legend() -> set[str]:
    tables = WIRE.partition("## Certainty")[2].partition("## §1 ")[0]
    return {
        tag
        for names in re.findall(r"^\| ([^|]+) \|", tables, re.MULTILINE)
        for tag in names.split(", ")
    }


def prose(module: Path) -> Iterator[str]:
    """Yield a module's comments and docstrings."""
    with tokenize.open(module) as source:
        for token in tokenize.generate_tokens(source.readline):
            if token.type == tokenize.COMMENT:
                yield token.string
    for node in ast.walk(ast.parse(module.read_text())):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield text
            case _:
                pass


def tags(text: str) -> set[str]:
    """Return the sources that a text names as such: `[PY, JS]`, `D:errors`, `wire.md §2, I-3p`."""
    lists = re.findall(rf"(?<!\w)\[({TAG}(?:, {TAG})*)\]", text)
    lists += re.findall(rf"wire\.md §[\d.]+, ({TAG})", text)
    return {tag for names in lists for tag in names.split(", ")} | pages(text)


def pages(text: str) -> set[str]:
    return set(re.findall(r"(?<!\w)D:[a-z][a-z/-]*[a-z]", text))


def test_every_citation_names_a_section_that_exists() -> None:
    dead: list[str] = []
    cited = 0
    for path in written():
        for page, list_ in re.findall(r"([\w-]+\.md) (§[\d.]*\d(?:, §[\d.]*\d)*)", running(path)):
            file = ROOT / "docs" / page
            known = sections(file.read_text()) if file.exists() else set[str]()
            for section in list_.split(", "):
                cited += 1
                if section not in known:
                    dead.append(f"{path.relative_to(ROOT)}: {page} {section}")
    assert not dead
    assert cited > 50, "citations are written as wire.md §3.2"


def test_every_citation_of_a_row_names_one_that_exists() -> None:
    table = WIRE.partition("## §12 ")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \|", table, re.MULTILINE)
    assert rows == [str(number) for number in range(1, len(rows) + 1)]
    for path in written():
        for row in re.findall(r"wire\.md §12 row (\d+)", running(path)):
            assert row in rows, f"{path.relative_to(ROOT)} cites row {row}"


def test_the_pages_own_references_lead_somewhere() -> None:
    assert set(re.findall(r"§\d+(?:\.\d+)?", WIRE)) <= sections(WIRE)


def test_sections_are_numbered_without_a_gap() -> None:
    tops = [section for section in sections(WIRE) if "." not in section]
    assert sorted(tops, key=lambda top: int(top[1:])) == [f"§{n}" for n in range(1, len(tops) + 1)]


def test_every_source_that_the_page_names_is_in_its_legend() -> None:
    named = set(re.findall(rf"\b(?:C|C-run|I-3p) ({TAG})\b", WIRE))
    assert named | pages(WIRE) <= legend()


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_source_that_code_names_is_in_the_legend(folder: str) -> None:
    known = legend()
    for module in (path for path in ours(folder) if path.suffix == ".py"):
        unknown = {tag for text in prose(module) for tag in tags(text)} - known
        assert not unknown, f"{module.relative_to(ROOT)}: {unknown}"


def test_the_protocols_document_uses_the_same_sources() -> None:
    document = (ROOT / "spec" / "falkit_spec" / "protocol" / "openapi.yaml").read_text()
    listed = document.partition("x-falkit-sources:\n")[2].partition("\nservers:")[0]
    names = set(re.findall(r"^ +(\w+):", listed, re.MULTILINE))
    # D stands for all of fal's documentation; standards and falkit's own are no sources on fal.
    assert names - {"D", "RFC", "falkit"} <= legend()
    assert pages(document) <= legend()
