"""What callers order: each thing that can be asked for, in many mixtures."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from itertools import product
from random import Random
from urllib.parse import quote

from hypothesis.vendor.pretty import RepresentationPrinter

from falkit_spec import Endpoint
from protocol.base import ENDPOINTS, FIRST, KEYS, headers_of
from protocol.faults import FAULTS, Fault
from protocol.inputs import INPUTS, Input
from protocol.receiver import ABROAD, URLS


@dataclass(frozen=True)
class Order:
    """One submit."""

    endpoint: Endpoint = FIRST
    input: Input = INPUTS[0]
    sub_path: str = ""
    webhook: str | None = None
    key: str = KEYS[0]
    low: bool = False
    start_within: float = math.inf
    max_queue_length: int | None = None
    retry: bool = True
    fault: Fault | None = None
    # Whether the fault is named in the prompt, and not by a header.
    by_prompt: bool = False

    def _repr_pretty_(self, printer: RepresentationPrinter, cycle: bool) -> None:
        # What is as usual needs no telling.
        chosen = {each.name: getattr(self, each.name) for each in fields(self)}
        usual = {each.name: each.default for each in fields(self)}
        told = [f"{name}={value!r}" for name, value in chosen.items() if value != usual[name]]
        printer.text(f"Order({', '.join(told)})")

    @property
    def path(self) -> str:
        """What it is posted to: the endpoint, perhaps with a path that its app doesn't have."""
        return f"{self.endpoint.id}{self.sub_path}"

    @property
    def readable(self) -> bool:
        """Whether a model takes the input, as far as it can be told from the body."""
        return self.input.readable and not self.sub_path

    @property
    def named(self) -> Fault | None:
        """The fault that the request names, if anybody can read it."""
        lost = self.by_prompt and self.input.name in ("broken", "no body", "no text", "no prompt")
        return None if lost else self.fault

    def url(self) -> str:
        said = {"fal_webhook": self.webhook, "fal_max_queue_length": self.max_queue_length}
        pairs = [f"{name}={quote(str(value))}" for name, value in said.items() if value is not None]
        return "?".join(filter(None, (f"/queue.fal.run/{self.path}", "&".join(pairs))))

    def body(self) -> bytes:
        token = f" [falkit:{self.fault.text}]" if self.fault and self.by_prompt else ""
        return self.input.body(self.endpoint, token)

    def headers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if self.low:
            found["x-fal-queue-priority"] = "low"
        if self.start_within < math.inf:
            found["x-fal-request-timeout"] = f"{self.start_within:g}"
        if not self.retry:
            found["x-fal-no-retry"] = "1"
        if self.fault and not self.by_prompt:
            found["x-falkit-fault"] = self.fault.text
        return headers_of(self.key, found)


def _crowd(random: Random) -> Order:
    """Return an order of what most call for, so that jobs meet in one queue."""
    return Order(
        webhook=random.choice([None, *URLS]),
        key=random.choice(KEYS),
        low=random.random() < 0.3,
        start_within=random.choice([math.inf, math.inf, math.inf, 0.5, 3.0, 12.0]),
    )


def _faulted(random: Random, fault: Fault) -> Order:
    return Order(
        endpoint=random.choice([FIRST, *ENDPOINTS]),
        input=random.choice([INPUTS[0], INPUTS[0], INPUTS[0], *INPUTS]),
        webhook=random.choice([*URLS, *URLS, None]),
        key=random.choice(KEYS),
        retry=random.random() < 0.6,
        fault=fault,
        by_prompt=random.random() < 0.5,
    )


def _odd(random: Random, input: Input, endpoint: Endpoint) -> Order:
    return Order(
        endpoint=endpoint,
        input=input,
        sub_path=random.choice(["", "", "", "/no-such-path"]),
        webhook=random.choice([*URLS, ABROAD, None]),
        low=random.random() < 0.3,
        max_queue_length=random.choice([None, 0, 1]),
    )


# Mixed beforehand: drawn field by field, what is rare alone would hardly ever come together.
_RANDOM = Random(1)
CROWD = [Order(), *(_crowd(_RANDOM) for _ in range(60))]
FAULTED = [_faulted(_RANDOM, fault) for fault in FAULTS for _ in range(10 if fault.again else 5)]
ODD = [_odd(_RANDOM, input, endpoint) for input, endpoint in product(INPUTS, ENDPOINTS)]
