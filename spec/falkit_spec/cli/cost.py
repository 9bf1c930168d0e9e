"""`falkit cost`: what recorded or written inputs would cost at fal, without running anything."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import click

from falkit_spec.catalog import Catalog
from falkit_spec.cli.check import endpoint_of
from falkit_spec.cli.options import document_options, read_catalog
from falkit_spec.drift.recordings import Call, read_recordings
from falkit_spec.drift.report import plain
from falkit_spec.endpoint import Endpoint
from falkit_spec.errors import SpecError
from falkit_spec.facts import dollars, in_words, over, read_dollars
from falkit_spec.types import JSON, Object, is_object

_LONGEST = 400
OVER, UNREADABLE = 1, 2


@dataclass(frozen=True, slots=True)
class Price:
    """What one call would cost at fal."""

    where: str
    endpoint_id: str
    cost: Decimal | None
    """US dollars; None where that isn't known, and where fal would refuse the input."""
    quantity: Decimal | None
    unit: str | None
    unit_price: Decimal | None
    why: str = ""
    """Why there is no cost."""
    refused: bool = False

    @property
    def said(self) -> str:
        """The cost in words."""
        if self.cost is not None:
            return dollars(self.cost)
        return "refused" if self.refused else "unknown"

    def to_json(self) -> Object:
        """Return it as --json prints it; amounts are text, since floats don't add up exactly."""
        return {
            "where": self.where,
            "endpoint_id": self.endpoint_id,
            "cost": _text(self.cost),
            "quantity": _text(self.quantity),
            "unit": self.unit,
            "unit_price": _text(self.unit_price),
            "refused": self.refused,
            "why": self.why or None,
        }


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"


@click.command()
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@document_options
@click.option("--endpoint", metavar="ID", help="The endpoint of inputs that name none.")
@click.option("--budget", metavar="USD", help="Exit with 1 if it is more than this, such as 2.50.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def cost(
    files: tuple[Path, ...],
    documents: tuple[str, ...],
    as_of: str | None,
    endpoint: str | None,
    budget: str | None,
    as_json: bool,
) -> None:
    """Price inputs as fal would, without running anything.

    \b
    falkit cost calls.json
    falkit cost --endpoint fal-ai/flux/dev input.json
    echo '{"prompt": "Rain"}' | falkit cost --endpoint fal-ai/ltx-2/text-to-video -

    FILE is what `falkit check` takes: JSON, or a JSON value a line: {"endpoint_id", "input"}, a
    list of these, or bare inputs with --endpoint; what `falkit jobs --json` or `falkit jobs ID`
    prints; or a HAR file. `-` is stdin.

    What fal would refuse costs nothing, and is in no sum. A price that isn't known is `unknown`,
    and in no sum either, so that --budget can't see it.

    Exits with 1 if it is more than --budget; with 2 if a file can't be read; else with 0.
    """
    limit = None if budget is None else read_dollars(budget)
    if budget is not None and limit is None:
        raise click.UsageError(f"budget: {budget!r} isn't an amount; give US dollars such as 2.50")
    catalog = read_catalog(documents, as_of)
    found = read_recordings(files, endpoint)
    prices = [price_of(catalog, call) for call in found.calls if call.has_input]
    problems = [*found.problems]
    problems += [f"{call.where}: has no input" for call in found.calls if not call.has_input]
    total = sum((one.cost for one in prices if one.cost is not None), Decimal(0))
    if as_json:
        calls: list[JSON] = [one.to_json() for one in prices]
        sums: Object = {"calls": calls, "currency": "USD", "total": _text(total)}
        sums |= {"unknown": _unknown(prices), "refused": _refused(prices), "problems": [*problems]}
        click.echo(json.dumps(sums, indent=2))
    else:
        _print(prices, total)
    for problem in problems:
        click.echo(plain(f"falkit: {problem}"), err=True)
    if exceeded := "" if limit is None else over(limit, total):
        click.echo(f"falkit: {exceeded}", err=True)
    sys.exit(UNREADABLE if problems else OVER if exceeded else 0)


def price_of(catalog: Catalog, call: Call) -> Price:
    """Return what a call would cost, or why that can't be said."""
    endpoint = endpoint_of(catalog, call.endpoint)
    if endpoint is None:
        return _without(call, call.endpoint, str(catalog.unknown(call.endpoint[:200])))
    try:
        if call.refused:
            why = "fal refused it when it was recorded"
            return _without(call, endpoint.id, why, refused=True)
        for fault in endpoint.validate(call.input, coerce=True):
            place = ".".join(map(str, fault["loc"][1:]))
            why = ": ".join(filter(None, (place, fault["msg"])))
            return _without(call, endpoint.id, why, refused=True)
        return _priced(endpoint, call)
    except (SpecError, RecursionError, ValueError) as error:
        return _without(call, endpoint.id, f"can't be judged ({error})")


def _priced(endpoint: Endpoint, call: Call) -> Price:
    pricing, read = endpoint.pricing, endpoint.coerced(call.input)
    if pricing is None or not is_object(read):
        return _without(call, endpoint.id, "no price is known for this endpoint")
    full = endpoint.with_defaults(read)
    quantity, rate, each = pricing.units(full), pricing.rate(full), pricing.each(full)
    why = ""
    if each is None:
        why = "no price is known for this input"
    elif quantity is None:
        files = [name for name in endpoint.measured if full.get(name)]
        of = f"the length of {' and '.join(files)}" if files else "what the model does"
        why = f"{dollars(each[0])} per {each[1]}, as many as follow from {of}"
    return Price(
        call.where,
        endpoint.id,
        pricing.cost(quantity, full),
        quantity,
        pricing.unit,
        rate,
        why,
    )


def _without(call: Call, endpoint_id: str, why: str, *, refused: bool = False) -> Price:
    return Price(call.where, endpoint_id, None, None, None, None, why, refused)


def _unknown(prices: list[Price]) -> int:
    return sum(one.cost is None and not one.refused for one in prices)


def _refused(prices: list[Price]) -> int:
    return sum(one.refused for one in prices)


def _print(prices: list[Price], total: Decimal) -> None:
    widest = max((len(one.said) for one in prices), default=0)
    longest = max((len(one.endpoint_id) for one in prices), default=0)
    for one in prices:
        reckoned = one.why
        if one.cost is not None and one.quantity is not None and one.unit_price is not None:
            reckoned = f"{one.quantity:f} x {one.unit} at {dollars(one.unit_price)}"
        line = f"{one.said:<{widest}}  {one.endpoint_id:<{min(longest, 60)}}  {one.where}"
        line += f": {reckoned}" if reckoned else ""
        click.echo(plain(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"))
    refused = _refused(prices)
    calls = "1 call" if len(prices) == 1 else f"{len(prices):,} calls"
    calls += f", {refused:,} that fal would refuse" if refused else ""
    click.echo(f"{calls}: {in_words(total, _unknown(prices))}")
