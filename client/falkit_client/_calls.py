"""What comes before and after a call: checks, preflight, cache, price and budget."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import cast

import httpx

from falkit_client._flow import Flow, Send, Sender, ask, do, read
from falkit_client._requests import Request, Ticket, endpoint_path
from falkit_client.budget import Budget, Hold
from falkit_client.cache import Cache, file_name
from falkit_client.download import download_file, files_of
from falkit_client.errors import (
    BadOutput,
    Cancelled,
    FalkitError,
    InvalidInput,
    ModelError,
    NoAnswer,
    NotReady,
    UnknownEndpoint,
)
from falkit_client.media import Normalizer, has_local, sniff, without_files
from falkit_client.options import Options
from falkit_client.results import JsonObject, Result
from falkit_client.uploads import Uploads
from falkit_spec.catalog import Catalog
from falkit_spec.endpoint import Endpoint
from falkit_spec.errors import UnknownEndpoint as NotInCatalog
from falkit_spec.media import MediaInput
from falkit_spec.schema import ordered
from falkit_spec.types import JSON, Fault, Object, meant_by, place_of

_log = logging.getLogger("falkit_client")

# Seconds that a host may take to answer a preflight.
_PREFLIGHT_TIMEOUT = 15.0


@dataclass(frozen=True, slots=True)
class PreparedCall:
    """A checked input, with what is to be done once its job has ended.

    `hit` is the output if the cache has it: then nothing is called. `rate` is US dollars per
    billable unit, `key` the cache's name of the output, `hold` the money reserved for the call.
    """

    content: Object
    check: bool | None = None
    price: Decimal | None = None
    rate: Decimal | None = None
    key: str | None = None
    hit: Result[JsonObject] | None = None
    hold: Hold | None = None

    @contextmanager
    def settling(self, *unbilled: type[FalkitError]) -> Generator[None]:
        """Settle the cost of a failure: fal's own figure, else nothing for errors in `unbilled`.

        For all other errors the price stays held.
        """
        try:
            yield
        except FalkitError as error:
            cost = self.cost(error.billable_units)
            silent = (ModelError, Cancelled, NotReady)
            if cost is None and isinstance(error, unbilled) and not isinstance(error, silent):
                cost = Decimal(0)
            if self.hold is not None and cost is not None:
                self.hold.settle(cost)
            raise

    def cost(self, units: Decimal | None) -> Decimal | None:
        """US dollars of some billable units; None where either is unknown."""
        if units == 0:
            return Decimal(0)
        return None if units is None or self.rate is None else units * self.rate


@dataclass(frozen=True, slots=True)
class Job:
    """A submitted job, with its call if this client made it."""

    ticket: Ticket
    call: PreparedCall = PreparedCall({})

    @property
    def hit(self) -> Result[JsonObject] | None:
        """The output, if the cache had it: then there is no job at fal."""
        return self.call.hit


@dataclass(frozen=True, slots=True)
class Preparer:
    """Prepares calls and accepts their results; `check` is for calls that don't set it.

    `address` is the stand-in's base URL, or empty for fal: the cache keeps their outputs apart.
    """

    catalog: Catalog
    check: bool
    sender: Sender
    uploads: Uploads
    address: str
    budget: Budget | None = None
    cache: Cache | None = None

    def price(self, endpoint: str, body: Mapping[str, object]) -> Decimal | None:
        """US dollars that an input costs; its files are not read."""
        return self._known(endpoint).price(without_files(body))

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
        endpoint_path(endpoint)
        check = self._is_checked(options.check)
        known = self._known(endpoint) if check or endpoint in self.catalog else None
        media = known.file_fields if known else ()
        normalizer = Normalizer(media, check, _fields_without_files(known))
        if has_local(body):
            content = yield from do(lambda: normalizer.normalize(body))
        else:
            content = normalizer.normalize(body)
        faults = normalizer.faults
        if options.preflight:
            faults += yield from preflight(endpoint, media, content)
        if known is not None and check:
            reported = {tuple(fault["loc"][:2]) for fault in faults}
            # Elsewhere than others wait: what is wrong takes a while to say the first time.
            valid = known.accept(content) is not None
            more = [] if valid else (yield from do(lambda: known.validate(content)))
            faults += [fault for fault in more if tuple(fault["loc"][:2]) not in reported]
        if faults:
            raise InvalidInput(
                f"the input for {endpoint} is wrong; nothing was sent",
                endpoint=endpoint,
                faults=tuple(faults),
                detail=faults,
                hint=_hint(faults, content),
            )
        return content, known

    def found(
        self, endpoint: str, body: Mapping[str, object], options: Options
    ) -> Flow[PreparedCall]:
        """Check an input, and look its output up in the cache."""
        content, known = yield from self.checked(endpoint, body, options)
        full = known.with_defaults(content) if known else content
        pricing = known.pricing if known else None
        call = PreparedCall(
            content,
            options.check,
            price=pricing.price(full) if pricing else None,
            # Where fal counts other units than the price list has, its count tells nothing.
            rate=pricing.rate(full) if pricing and pricing.counted else None,
        )
        cache, hit = self.cache, None
        if cache is None:
            return call
        key = yield from do(lambda: cache.key(self.address, endpoint, full))
        # A call with a webhook is made in any case: from the cache, none would come.
        if not options.fresh and options.webhook_url is None:
            hit = yield from do(lambda: cache.find(key))
        return replace(call, key=key, hit=hit)

    def prepared(
        self, endpoint: str, body: Mapping[str, object], options: Options
    ) -> Flow[PreparedCall]:
        """Check an input, look in the cache, else reserve the price and upload large files."""
        call = yield from self.found(endpoint, body, options)
        if call.hit is not None:
            return call
        hold = None if self.budget is None else self.budget.hold(call.price, endpoint)
        try:
            content = yield from self.uploads.upload_embedded(call.content, options.upload_progress)
        except BaseException:
            # No job has been submitted yet, whatever failed.
            if hold is not None:
                hold.release()
            raise
        return replace(call, content=content, hold=hold)

    def accepted(self, result: Result[JsonObject], call: PreparedCall) -> Flow[Result[JsonObject]]:
        """Settle the cost of a result, check it, and keep it in the cache.

        Raises BadOutput, which carries the result, if it breaks the endpoint's document.
        """
        cost = call.cost(result.billable_units)
        if cost is None and call.rate is None:
            cost = call.price
        result = replace(result, cost=cost)
        if call.hold is not None:
            call.hold.settle(result.cost)
        if self._is_checked(call.check) and result.endpoint in self.catalog:
            problems = self.catalog.get(result.endpoint).validate_output(result.output)
            if problems:
                raise BadOutput(
                    f"the output of {result.endpoint} breaks its document: {'; '.join(problems)}",
                    result=result,
                    endpoint=result.endpoint,
                    request_id=result.request_id,
                    detail=problems,
                )
        if self.cache is not None and call.key is not None:
            result = yield from self._kept(self.cache, result, call.key)
        return result

    def _kept(self, cache: Cache, result: Result[JsonObject], key: str) -> Flow[Result[JsonObject]]:
        """The result with its files in the cache; as it was if that fails, since it is paid for."""
        room = cache.room()
        try:
            yield from do(lambda: room.mkdir(parents=True))
            files: dict[str, Path] = {}
            for number, file in enumerate(files_of(result.output)):
                path = room / file_name(number, file.name)
                files[file.url] = path
                yield from download_file(self.sender, file.url, path)
            return (yield from do(lambda: cache.keep(key, result, room, files)))
        except (FalkitError, OSError) as error:
            yield from do(lambda: cache.drop(room))
            _log.warning("the output of %s was not kept: %s", result.endpoint, error)
            return result

    def _known(self, endpoint: str) -> Endpoint:
        """The catalog's entry; UnknownEndpoint with ids that are similar."""
        try:
            return self.catalog.get(endpoint)
        except NotInCatalog as error:
            raise UnknownEndpoint(
                f"{error} (documents=[…] names yours; check=False calls it unchecked)",
                near=error.near,
                endpoint=endpoint,
            ) from error

    def _is_checked(self, check: bool | None) -> bool:
        return self.check if check is None else check


def preflight(endpoint: str, media: Iterable[MediaInput], body: Object) -> Flow[list[Fault]]:
    """A fault for each URL that doesn't answer 200 with a file of its kind; no key is sent."""
    faults: list[Fault] = []
    for medium, loc, url in _urls(media, body):
        problem = yield from _problem(endpoint, medium, url)
        if problem:
            faults.append({"type": "file_download_error", "loc": loc, "msg": problem, "input": url})
    return faults


def _urls(
    media: Iterable[MediaInput], body: Object
) -> Iterator[tuple[MediaInput, list[str | int], str]]:
    for medium in media:
        for place, url in medium.values(body):
            if url.lower().startswith(("http://", "https://")):
                yield medium, ["body", *place], url


def _problem(endpoint: str, medium: MediaInput, url: str) -> Flow[str | None]:
    request = Request("GET", url, endpoint, timeout=_PREFLIGHT_TIMEOUT)
    try:
        reply = yield from ask(Send(request, stream=True, follow_redirects=True))
        if reply.status != 200:
            return f"the URL answers {reply.status}, not 200"
        if medium.kind not in ("image", "video", "audio"):
            return None
        mime = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        if mime.startswith(f"{medium.kind}/"):
            return None
        # Many hosts send no type: then the first bytes decide.
        found = sniff((yield from read()) or b"")
    except (NoAnswer, httpx.InvalidURL) as error:
        return f"the URL cannot be fetched ({error})"
    if found and found.kind == medium.kind:
        return None
    return f"the URL answers with {mime or 'a file without a type'}, not {medium.kind} data"


def _hint(faults: Sequence[Fault], given: JSON) -> str | None:
    """A fix for the most frequent oversight: texts where integers are accepted, or the reverse."""
    for fault in faults:
        meant, place = meant_by(fault), place_of(fault, given)
        if isinstance(meant, int):
            return f"{place}: send the integer {meant}, without quotes"
        if meant is not None:
            return f'{place}: send the text "{meant}"'
    return None


def _fields_without_files(known: Endpoint | None) -> set[str]:
    """The fields that take no file; none is known where no overlay names those that do."""
    if known is None or not known.media_inputs:
        return set()
    return set(ordered(known.input_schema)) - {medium.path[0] for medium in known.file_fields}
