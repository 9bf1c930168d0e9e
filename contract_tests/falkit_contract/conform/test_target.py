"""The checks of `falkit conform` as tests, for who has a server to try and pytest to do it with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast, get_args

import pytest

from falkit_contract import BadArgument
from falkit_contract.conform.checks import all_checks
from falkit_contract.conform.probe import Setup
from falkit_contract.conform.receiving import Receiver
from falkit_contract.conform.report import as_text
from falkit_contract.conform.running import ENDPOINT, run_one, set_up
from falkit_contract.conform.target import KEY, By, Target
from falkit_spec.catalog import Catalog
from falkit_spec.errors import UnknownEndpoint

_USAGE = pytest.ExitCode.USAGE_ERROR


@pytest.fixture(scope="session")
def fal_target(pytestconfig: pytest.Config) -> Iterator[Setup]:
    """What the options say of the server."""
    url = pytestconfig.getoption("--fal-target", None)
    if url is None:
        pytest.skip("no server to try: give --fal-target URL")
    by = pytestconfig.getoption("--fal-target-by")
    if by not in get_args(By) or by == "fal":
        pytest.exit(f"--fal-target-by is {by!r}: give path, header, host or root", _USAGE)
    wanted = pytestconfig.getoption("--fal-target-endpoint") or ENDPOINT
    timeout = pytestconfig.getoption("--fal-target-timeout")
    receiver = None
    try:
        target = Target(url, cast("By", by), pytestconfig.getoption("--fal-target-key") or KEY)
        receiver = Receiver() if target.here else None
        endpoint = Catalog.vendored().get(wanted)
        yield set_up(target, endpoint, timeout=timeout, receiver=receiver)
    except BadArgument as error:
        pytest.exit(f"--fal-{error}", _USAGE)
    except UnknownEndpoint as error:
        pytest.exit(f"--fal-target-endpoint: {error}", _USAGE)
    finally:
        if receiver is not None:
            receiver.close()


@pytest.mark.parametrize("check", all_checks())
def test_promise(check: str, fal_target: Setup) -> None:
    """Expect the server to keep one promise of fal's."""
    verdict = run_one(all_checks()[check], fal_target)
    if verdict.said == "not applicable":
        pytest.skip(verdict.reason)
    if verdict.said != "passed":
        pytest.fail(as_text(verdict), pytrace=False)
