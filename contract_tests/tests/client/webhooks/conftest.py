"""The independent verifiers, started once."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from client.webhooks.signing import KeyHost, Signer, in_both_forms, key_host
from client.webhooks.verifiers import Accepts, independent

VERIFIERS = (
    "python, as the sample",
    "python, strict JOSE",
    "node, as the sample",
    "node, JWK",
    "node, jose",
    "node, strict JOSE",
)


@pytest.fixture(scope="module")
def verifiers() -> Generator[dict[str, Accepts]]:
    with independent() as found:
        assert tuple(found) == VERIFIERS
        yield found


@pytest.fixture(params=VERIFIERS)
def accepts(request: pytest.FixtureRequest, verifiers: dict[str, Accepts]) -> Accepts:
    """One of the independent verifiers after the other."""
    return verifiers[request.param]


@pytest.fixture
def keys() -> Generator[KeyHost]:
    """A host of one signer's keys, in both forms."""
    with key_host(in_both_forms(Signer())) as host:
        yield host
