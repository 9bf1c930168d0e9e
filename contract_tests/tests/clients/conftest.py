"""The official clients are right: no error may be found in what they do."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from clients.place import FOUND
from noticing import Noticing, told

_noticing = Noticing()

# Tests that do on purpose what is wrong, and the errors that are found there.
_NO_STREAM = {"unlisted-endpoint"}
PLANTED = {
    # A duration of "6".
    "test_validation_errors": {"integer-as-string"},
    # The file is looked at once more when its life is over.
    "test_upload_with_a_lifecycle": {"media-expired"},
    # LTX-2 has none.
    "test_stream_on_an_app_that_has_none": _NO_STREAM,
    **{
        f"test_a_client_runs_unchanged[{program}]": _NO_STREAM
        for program in ("python_sync.py", "python_async.py", "official.mjs", "serverless.mjs")
    },
}


@pytest.fixture(autouse=True)
def _nothing_found(request: pytest.FixtureRequest) -> Generator[None]:
    """Fail a test in which falkit finds an error that isn't planted there."""
    _noticing.found()
    FOUND.clear()
    yield
    name, function = request.node.name, request.function.__name__
    planted = PLANTED.get(name, PLANTED.get(function, set[str]()))
    errors = [one for one in (*_noticing.found(), *FOUND) if one.severity == "error"]
    assert told([one for one in errors if one.kind.code not in planted]) == []
    assert {one.kind.code for one in errors} == planted
