"""Runs checks on a target, and says of each what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

from falkit_contract import BadArgument
from falkit_contract.conform.checks import Check
from falkit_contract.conform.probe import (
    CouldNotLook,
    Failed,
    Ledger,
    NotApplicable,
    Probe,
    Setup,
    short,
)
from falkit_contract.conform.receiving import Receiver
from falkit_contract.conform.target import Asking, Target, Unreachable
from falkit_spec.endpoint import Endpoint
from falkit_spec.types import Object

Said: TypeAlias = Literal["passed", "failed", "not applicable", "could not look"]
ENDPOINT, LIVE_ENDPOINT = "fal-ai/ltx-2/text-to-video/fast", "fal-ai/flux/schnell"
# Seconds that a check waits for a job or a webhook: of a stand-in, and of fal.
PATIENCE, LIVE_PATIENCE = 30.0, 300.0


@dataclass(frozen=True)
class Verdict:
    """What came of a check. `expected`, `got` and `curl` are of what failed; `reason` is of what
    was not applicable, or could not be looked at.
    """

    check: Check
    said: Said
    seconds: float
    expected: str = ""
    got: str = ""
    curl: str = ""
    reason: str = ""
    notes: tuple[str, ...] = ()


def set_up(
    target: Target,
    endpoint: Endpoint,
    input: Object | None = None,
    *,
    timeout: float | None = None,
    webhook_timeout: float | None = None,
    budget: Decimal | None = None,
    receiver: Receiver | None = None,
) -> Setup:
    """Return what checks need; raise BadArgument for an input that the endpoint refuses."""
    given = endpoint.example_input() if input is None else input
    if faults := endpoint.validate(given):
        place = ".".join(map(str, faults[0]["loc"]))
        fix = f"{endpoint.id} refuses it ({place}: {faults[0]['msg']}); give one that is right"
        raise BadArgument("input", given, fix)
    patience = timeout or (LIVE_PATIENCE if target.live else PATIENCE)
    why = "a target elsewhere can't reach a receiver here: give --webhooks-to URL"
    price = endpoint.price(endpoint.with_defaults(given))
    ledger = Ledger(price, budget)
    for_webhooks = webhook_timeout or patience
    return Setup(target, endpoint, given, patience, for_webhooks, ledger, receiver, why)


def most_spent(checks: Iterable[Check], setup: Setup) -> Decimal | None:
    """Return what checks cost at fal at most, in US dollars; None if a job's price isn't known."""
    jobs = sum(check.jobs for check in checks)
    return None if setup.ledger.price is None else jobs * setup.ledger.price


def run(checks: Iterable[Check], setup: Setup) -> Iterator[Verdict]:
    """Run checks one after the other, each on its own."""
    for check in checks:
        yield run_one(check, setup)


def run_one(check: Check, setup: Setup) -> Verdict:
    """Run a check on connections of its own."""
    asking = Asking(setup.target, setup.timeout)
    probe, since = Probe(setup, asking), time.monotonic()

    def verdict(said: Said, **more: str) -> Verdict:
        took = round(time.monotonic() - since, 3)
        return Verdict(check, said, took, **more, notes=tuple(probe.notes))

    try:
        check.look(probe)
    except Failed as error:
        target = setup.target
        shown = error.exchange and error.exchange.curl(target.key, secret=target.live)
        return verdict("failed", expected=error.expected, got=error.got, curl=shown or "")
    except NotApplicable as error:
        return verdict("not applicable", reason=str(error))
    except (CouldNotLook, Unreachable) as error:
        return verdict("could not look", reason=short(str(error)))
    finally:
        probe.tidy()
        asking.close()
    return verdict("passed")
