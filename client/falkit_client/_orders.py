"""What comes before and after a call: files, checks, cache, price and budget.

An order is an input made ready to be sent, with all that is to be done once its job has ended.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, cast

from falkit_client._checks import Checks
from falkit_client._plain import plain
from falkit_client._preflight import preflight
from falkit_client._steps import Flow, do
from falkit_client.cache import Cache, file_name
from falkit_client.download import Downloads, files_of
from falkit_client.errors import (
    Cancelled,
    FalkitError,
    InvalidInput,
    MissingKey,
    ModelError,
    NotReady,
    Refused,
    ServerError,
    Unreachable,
)
from falkit_client.media import Embedding, has_local, without_files
from falkit_client.options import Options
from falkit_client.result import JsonObject, Result
from falkit_spec.endpoint import Endpoint
from falkit_spec.schema import ordered
from falkit_spec.types import Object

if TYPE_CHECKING:
    from falkit_client.budget import Budget, Hold

_log = logging.getLogger("falkit_client")


@dataclass(frozen=True, slots=True)
class Order:
    """An input made ready; `hit` is the output if the cache has it, and then nothing is called."""

    content: Object
    check: bool | None = None
    price: Decimal | None = None
    rate: Decimal | None = None
    """US dollars per billable unit."""
    key: str | None = None
    hit: Result[JsonObject] | None = None
    hold: Hold | None = None

    @contextmanager
    def preparing(self) -> Generator[None]:
        """Give the money back whatever happens: no job has been asked for yet."""
        try:
            yield
        except BaseException:
            if self.hold is not None:
                self.hold.release()
            raise

    @contextmanager
    def submitting(self) -> Generator[None]:
        """Give the money back where the call fails in a way that fal doesn't bill."""
        try:
            yield
        except (ModelError, Cancelled, NotReady) as error:
            self._billed(error)
            raise
        except (MissingKey, InvalidInput, Unreachable, Refused) as error:
            self._billed(error, unless_said=Decimal(0))
            raise

    @contextmanager
    def awaiting(self) -> Generator[None]:
        """Give the money back where the job has failed in a way that fal doesn't bill."""
        try:
            yield
        except (InvalidInput, ServerError) as error:
            self._billed(error, unless_said=Decimal(0))
            raise
        except (ModelError, Cancelled) as error:
            self._billed(error)
            raise

    def cost(self, units: Decimal | None) -> Decimal | None:
        """US dollars of so many units."""
        return None if units is None or self.rate is None else units * self.rate

    def _billed(self, error: FalkitError, unless_said: Decimal | None = None) -> None:
        said = self.cost(error.billable_units)
        cost = unless_said if said is None else said
        # Of unknown cost, the price stays held.
        if self.hold is not None and cost is not None:
            self.hold.settle(cost)


@dataclass(frozen=True, slots=True)
class Orders:
    """Makes orders, and takes their results in."""

    checks: Checks
    downloads: Downloads
    address: str
    budget: Budget | None = None
    cache: Cache | None = None

    def price(self, endpoint: str, body: Mapping[str, object]) -> Decimal | None:
        """US dollars that an input costs; its files are not read."""
        written, _ = plain({name: without_files(value) for name, value in body.items()})
        return self.checks.known(endpoint).price(written)

    def checked(
        self, endpoint: str, body: Mapping[str, object], options: Options
    ) -> Flow[tuple[Object, Endpoint | None]]:
        """The input as it would be sent; all that is wrong with it in one InvalidInput."""
        if not isinstance(cast("object", body), Mapping):
            raise InvalidInput(
                f"the input for {endpoint} is a {type(body).__name__}: give a mapping of its "
                "fields, such as {'prompt': …}",
                endpoint=endpoint,
            )
        known = self.checks.entry(endpoint, check=options.check)
        media = known.media_inputs if known else ()
        embedding = Embedding(media, self.checks.wanted(options.check), _no_files(known))
        if has_local(body):
            body = yield from do(lambda: embedding.of(body))
        else:
            body = embedding.of(body)
        content, faults = plain(body)
        faults = [*embedding.faults, *faults]
        if options.preflight:
            faults += yield from preflight(endpoint, media, content)
        self.checks.input(endpoint, content, faults, check=options.check)
        return content, known

    def found(self, endpoint: str, body: Mapping[str, object], options: Options) -> Flow[Order]:
        """Check an input, and look its output up in the cache."""
        content, known = yield from self.checked(endpoint, body, options)
        full = known.with_defaults(content) if known else content
        pricing = known.pricing if known else None
        amount = pricing.amount.of(full) if pricing else None
        rate = Decimal(amount) if isinstance(amount, str) else None
        price = pricing.price(full) if pricing else None
        order = Order(content, options.check, price, rate)
        if self.cache is None:
            return order
        return (yield from self._looked_up(self.cache, order, endpoint, full, options))

    def made(self, endpoint: str, body: Mapping[str, object], options: Options) -> Flow[Order]:
        """Check an input, look it up in the cache, and else reserve its price."""
        order = yield from self.found(endpoint, body, options)
        if self.budget is not None and order.hit is None:
            order = replace(order, hold=self.budget.hold(order.price, endpoint))
        return order

    def taken(self, result: Result[JsonObject], order: Order | None) -> Flow[Result[JsonObject]]:
        """Settle the cost of a result, check it, and keep it in the cache."""
        if order is None:
            return self.checks.output(result, check=None)
        result = replace(result, cost=order.cost(result.billable_units))
        if order.hold is not None:
            order.hold.settle(result.cost)
        self.checks.output(result, check=order.check)
        if self.cache is not None and order.key is not None:
            result = yield from self._kept(self.cache, result, order.key)
        return result

    def _looked_up(
        self, cache: Cache, order: Order, endpoint: str, full: Object, options: Options
    ) -> Flow[Order]:
        key = yield from do(lambda: cache.key(self.address, endpoint, full))
        hit = None
        # Who waits for a webhook would wait in vain if nothing were called.
        if not options.fresh and options.webhook_url is None:
            hit = yield from do(lambda: cache.find(key))
        return replace(order, key=key, hit=hit)

    def _kept(self, cache: Cache, result: Result[JsonObject], key: str) -> Flow[Result[JsonObject]]:
        """The result with its files in the cache; as it was if that fails, since it is paid for."""
        room = cache.room()
        try:
            yield from do(lambda: room.mkdir(parents=True))
            files: dict[str, Path] = {}
            for number, file in enumerate(files_of(result.output)):
                path = room / file_name(number, file.name)
                files[file.url] = path
                yield from self.downloads.file(file.url, path)
            return (yield from do(lambda: cache.keep(key, result, room, files)))
        except (FalkitError, OSError) as error:
            yield from do(lambda: cache.drop(room))
            _log.warning("the output of %s was not kept: %s", result.endpoint, error)
            return result


def _no_files(known: Endpoint | None) -> set[str]:
    """The fields that take no file; none can be named where no overlay says which do."""
    if known is None or not known.media_inputs:
        return set()
    return set(ordered(known.input_schema)) - {medium.field for medium in known.media_inputs}
