"""The import rules of ARCHITECTURE.md, and the size of modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {
    "falkit_spec": ROOT / "spec",
    "falkit_fixtures": ROOT / "fixtures",
    "falkit_client": ROOT / "client",
    "falkit_mock": ROOT / "mockserver",
    "falkit_contract": ROOT / "contract_tests",
}
ALLOWED: dict[str, set[str]] = {
    "falkit_spec": set(),
    "falkit_fixtures": set(),
    "falkit_client": {"falkit_spec"},
    "falkit_mock": {"falkit_spec", "falkit_fixtures"},
    "falkit_contract": {"falkit_spec", "falkit_fixtures", "falkit_client", "falkit_mock"},
}


def modules(package: str) -> list[Path]:
    return sorted((ROOMS[package] / package).rglob("*.py"))


def imports(module: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports, at its top or inside its functions."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative imports hide where a name comes from"
            yield node.module or ""


@pytest.mark.parametrize("package", ROOMS)
def test_rooms_import_only_what_they_may(package: str) -> None:
    found = {
        name.partition(".")[0]
        for module in modules(package)
        for name in imports(module)
        if name.startswith("falkit_")
    }
    assert found <= ALLOWED[package] | {package}


def test_the_platform_knows_no_http() -> None:
    platform = ROOMS["falkit_mock"] / "falkit_mock" / "platform"
    found = {name for module in platform.rglob("*.py") for name in imports(module)}
    assert not {name for name in found if name.startswith(("starlette", "falkit_mock.hosts"))}


@pytest.mark.parametrize("package", ROOMS)
def test_no_module_is_longer_than_four_hundred_lines(package: str) -> None:
    long = {
        module.name: lines
        for module in modules(package)
        if (lines := len(module.read_text().splitlines())) > 400
    }
    assert not long


def test_the_command_line_names_rooms_without_importing_them() -> None:
    cli = ROOMS["falkit_mock"] / "falkit_mock" / "cli.py"
    assert not [name for name in imports(cli) if name.startswith("falkit_")]
