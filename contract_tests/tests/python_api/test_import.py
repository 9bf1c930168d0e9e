"""What `import falkit` gives, and that it costs next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

import falkit
import falkit_client
from falkit_client import webhooks

NAMES = [
    *("AsyncClient", "Client", "InProcess", "Mock", "Settings", "__version__", "create_app"),
    "webhooks",
]


def modules_after(line: str) -> set[str]:
    """Return the modules that a line of Python brings into a bare interpreter."""
    code = f"import sys; before = set(sys.modules); {line}; import json"
    code += "; print(json.dumps(sorted(set(sys.modules) - before)))"
    return set(json.loads(subprocess.check_output([sys.executable, "-c", code], timeout=60)))


def test_the_public_names_are_these() -> None:
    assert falkit.__all__ == NAMES
    assert set(NAMES) <= set(dir(falkit))
    for name in NAMES:
        assert getattr(falkit, name) is not None


def test_importing_falkit_imports_nothing_else() -> None:
    found = modules_after("import falkit") - modules_after("pass")
    assert found <= {"falkit", "__future__"}


def test_the_client_comes_without_the_mock() -> None:
    assert not [
        name for name in modules_after("from falkit import Client") if "falkit_mock" in name
    ]


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'falkit' has no attribute 'Mocks'"):
        falkit.Mocks  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue, reportUnusedExpression] # noqa: B018


def test_the_names_are_those_of_the_packages_beneath() -> None:
    assert falkit.Client is falkit_client.Client
    assert falkit.webhooks is webhooks


def test_the_version_is_the_project_s() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert falkit.__version__ == project["version"]


def test_the_package_says_that_it_is_typed() -> None:
    assert files("falkit").joinpath("py.typed").is_file()
