"""A mock to steer, whose jobs take no time; `manual` is the other one.

Both are shared, and reset before each test: what a reset leaves behind shows in some test.
"""

from __future__ import annotations

import pytest

from serving import Mock


@pytest.fixture
def mock(mock: Mock) -> Mock:
    """A mock whose jobs take no time, with the seed 1."""
    assert mock.http.post("/__falkit/reset").status_code == 200
    return mock
