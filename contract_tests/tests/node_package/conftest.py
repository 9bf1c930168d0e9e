"""The package, installed once for the tests of a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from node_package.installed import fill, install


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the package from its tarball, and nothing else."""
    return install(tmp_path_factory.mktemp("npm"))


@pytest.fixture
def project(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with what docs/javascript.md shows and more tests."""
    folder = installed.parent / f"test-{len([*installed.parent.iterdir()])}"
    folder.mkdir()
    fill(folder, installed)
    return folder
