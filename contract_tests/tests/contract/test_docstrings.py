"""The examples in the strategies' docstrings are run."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import falkit_contract

FOLDER = Path(falkit_contract.__file__ or "").parent
MODULES = [
    ".".join(file.relative_to(FOLDER.parent).with_suffix("").parts)
    for file in sorted(FOLDER.rglob("*.py"))
    if ">>>" in file.read_text()
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_show(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted
    assert not found.failed
