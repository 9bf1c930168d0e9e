"""The package, installed once for all tests of a run."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from node_package.installed import PATIENCE, fill, install


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the package from its tarball, and nothing else; the same for all workers."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    # One installs it, and the others wait: npm takes a second.
    with closing(sqlite3.connect(folder / "npm.lock", timeout=PATIENCE)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        return install(folder / "npm")


@pytest.fixture
def project(installed: Path) -> Path:
    """A project with what docs/javascript.md shows and more tests."""
    folder = Path(tempfile.mkdtemp(dir=installed.parent))
    fill(folder, installed)
    return folder
