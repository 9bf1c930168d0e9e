"""The rules of ARCHITECTURE.md: who imports whom, no cycles, no HTTP below the hosts, size."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "falkit_spec": ROOT / "spec",
    "falkit_fixtures": ROOT / "fixtures",
    "falkit_client": ROOT / "client",
    "falkit_mock": ROOT / "mockserver",
    "falkit": ROOT / "mockserver",
    "falkit_contract": ROOT / "contract_tests",
}
ALLOWED: dict[str, set[str]] = {
    "falkit_spec": set(),
    "falkit_fixtures": set(),
    "falkit_client": {"falkit_spec"},
    "falkit_mock": {"falkit_spec", "falkit_fixtures"},
    # The public package is what programs import, and of ours only what tests programs.
    "falkit": {"falkit_spec", "falkit_client", "falkit_mock"},
    "falkit_contract": {"falkit_spec", "falkit_fixtures", "falkit_client", "falkit_mock"},
}
# The mock's folders and modules, ground first: each imports only what stands before it.
ORDER = (
    *("core", "store", "faults", "outputs", "settings", "gateway", "webhooks", "service"),
    *(
        "hosts",
        "metrics",
        "page",
        "findings",
        "control",
        "upgrade",
        "waiting",
        "connections",
        "server",
        "stores",
        "app",
        "tenants",
        "assembly",
        "mock",
        "cli",
    ),
)
# What knows no HTTP: the service can be driven without a server.
WITHOUT_HTTP = ("core", "store", "faults", "outputs", "webhooks", "service")


def name_of(package: str, file: Path) -> str:
    """Return a module's dotted name; a package's is its folder's."""
    parts = file.relative_to(PACKAGES[package]).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules(package: str) -> list[Path]:
    return sorted((PACKAGES[package] / package).rglob("*.py"))


MODULES = {name_of(package, file): file for package in PACKAGES for file in modules(package)}


def imports(module: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports, at its top, in functions and for types."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative imports hide where a name comes from"
            base = node.module or ""
            below = [f"{base}.{name.name}" for name in node.names]
            yield from (name if name in MODULES else base for name in below)


@cache
def imported() -> dict[str, set[str]]:
    """Return what each module imports of the others."""
    return {
        name: {found for found in imports(file) if found in MODULES and found != name}
        for name, file in MODULES.items()
    }


def cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """Return one cycle of a graph, empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [*error.args[1]]
    return []


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_what_they_may(package: str) -> None:
    found = {
        name.partition(".")[0]
        for module in modules(package)
        for name in imports(module)
        if name.startswith("falkit_")
    }
    assert found <= ALLOWED[package] | {package}


def test_modules_have_no_cycle() -> None:
    assert cycle(imported()) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_folders_have_no_cycle(package: str) -> None:
    def folder(name: str) -> str:
        return ".".join(name.split(".")[:2])

    graph: dict[str, set[str]] = {}
    for name, found in imported().items():
        if name.startswith(f"{package}."):
            inside = {folder(each) for each in found if each.startswith(f"{package}.")}
            graph.setdefault(folder(name), set()).update(inside - {folder(name)})
    assert cycle(graph) == []


def test_each_folder_of_the_mock_imports_only_those_before_it() -> None:
    wrong: list[str] = []
    for name, found in imported().items():
        folder = name.split(".")[1:2]
        if name.startswith("falkit_mock.") and folder[0] in ORDER:
            allowed = ORDER[: ORDER.index(folder[0]) + 1]
            for each in found:
                other = each.split(".")[1:2]
                if each.startswith("falkit_mock.") and other[0] not in allowed:
                    wrong.append(f"{name} imports {each}")
    assert wrong == []


@pytest.mark.parametrize("folder", WITHOUT_HTTP)
def test_the_service_knows_no_http(folder: str) -> None:
    root = PACKAGES["falkit_mock"] / "falkit_mock" / folder
    found = {name for module in root.rglob("*.py") for name in imports(module)}
    assert not {name for name in found if name.startswith(("starlette", "uvicorn"))}


def test_the_referee_shares_nothing_with_the_mock() -> None:
    found = {
        each
        for name, each_of in imported().items()
        if name.startswith("falkit_contract.conform")
        for each in each_of
    }
    assert not {name for name in found if name.startswith(("falkit_mock", "falkit_client"))}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_is_longer_than_four_hundred_lines(package: str) -> None:
    long = {
        module.name: lines
        for module in modules(package)
        if (lines := len(module.read_text().splitlines())) > 400
    }
    assert not long


def test_the_command_line_names_packages_without_importing_them() -> None:
    cli = PACKAGES["falkit_mock"] / "falkit_mock" / "cli" / "__init__.py"
    assert not [name for name in imports(cli) if name.startswith("falkit_")]
