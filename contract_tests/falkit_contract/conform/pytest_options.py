"""The options of `pytest --pyargs falkit_contract`: which server to try.

Each run of pytest reads this, so it imports nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("falkit", "falkit: does a server keep what fal promises?")
    add = group.addoption
    target = "try this server: pytest --pyargs falkit_contract --fal-target URL"
    by = "how a request says which of fal's hosts it is for: path, header, host or root"
    add("--fal-target", metavar="URL", help=target)
    add("--fal-target-by", metavar="WAY", default="path", help=by)
    add("--fal-target-key", metavar="KEY", help="its key")
    add("--fal-target-endpoint", metavar="ID", help="the endpoint whose jobs are made")
    timeout = "how long a check waits for a job, or for a webhook"
    add("--fal-target-timeout", metavar="SECONDS", type=float, help=timeout)
