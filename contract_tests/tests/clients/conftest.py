"""The official clients are right: no error may be found in what they do."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from clients.place import FOUND
from noticing import Noticing, told

_noticing = Noticing()
_noticing.install()

# Tests that do on purpose what is wrong, whatever the client: the errors, by the test.
PLANTED: dict[str, set[str]] = {}


@pytest.fixture(autouse=True)
def _nothing_found(request: pytest.FixtureRequest) -> Generator[None]:
    """Fail a test in which falkit finds an error that isn't planted there."""
    _noticing.found()
    FOUND.clear()
    yield
    planted = PLANTED.get(request.function.__name__, set())
    errors = [one for one in (*_noticing.found(), *FOUND) if one.severity == "error"]
    assert told([one for one in errors if one.kind.code not in planted]) == []
    assert {one.kind.code for one in errors} == planted
