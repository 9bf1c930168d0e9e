"""From a request to its outcome: parse, validate, look at the media, complete."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

from falkit_mock.core import HINT, NotJson, dumps, header_text
from falkit_mock.core.clock import Notifier
from falkit_mock.core.errors import ShuttingDown, StateAway
from falkit_mock.core.fal_errors import NOT_BILLED, error_text, platform_error, refusal
from falkit_mock.core.identity import Identity
from falkit_mock.core.jobs import Job, MediaValue, ModelRequest, Outcome, ParsedRequest, Refused
from falkit_mock.core.limits import FILE_BYTES, FILE_SECONDS, FILES, NAMED_FIELDS
from falkit_mock.outputs.figures import NOTHING_SEEN
from falkit_mock.service.data_uris import is_data_uri, unknown_label
from falkit_mock.service.files import Media
from falkit_mock.service.hints import joined, of_lax_values, of_refusal, of_unknown_fields
from falkit_mock.service.lengths import ASSUMED, measured
from falkit_mock.service.successes import complete, fill, seen_in, success
from falkit_mock.service.urls import unreachable
from falkit_mock.settings import Settings
from falkit_mock.store import FileRecord, Store
from falkit_mock.store.sharing import turn
from falkit_spec import JSON, Endpoint, Figures

if TYPE_CHECKING:
    from falkit_mock.service.checks import Rejected
    from falkit_mock.service.containers import Found
    from falkit_mock.service.looks import Look
    from falkit_mock.service.workflows import Workflows


def read_request(request: ModelRequest, settings: Settings) -> ParsedRequest | Refused:
    """Parse and validate a request's body, as the service's own stack does."""
    return read_at_once(request, settings) or _check(request, settings)


def read_at_once(request: ModelRequest, settings: Settings) -> ParsedRequest | Refused | None:
    """Read a request as far as that takes microseconds: None where its input isn't plainly valid.

    What is wrong with it Pydantic says, which has to be imported and given a model first.
    """
    if request.endpoint is None:
        # wire.md §4: a path that the app doesn't have.
        inside = request.path.removeprefix(request.app) or "/"
        return _failed(404, f"Path {inside} not found", settings, request.hint)
    given = _parse(request, settings)
    if isinstance(given, Refused):
        return given
    accepted = request.endpoint.accept(given)
    return None if accepted is None else _parsed(request.endpoint, *accepted)


def _parse(request: ModelRequest, settings: Settings) -> JSON | Refused:
    if not request.body:
        item: dict[str, JSON] = {
            "type": "missing",
            "loc": ["body"],
            "msg": "Field required",
            "input": None,
        }
        return _refused([item], settings, "the body is empty; send the input as JSON")
    media_type = request.content_type.partition(";")[0].strip().lower()
    if media_type and not media_type.endswith(("/json", "+json")):
        # FastAPI hands a body of another type to the model unread.
        return request.body.decode("utf-8", "replace")
    value = request.parsed_body
    if isinstance(value, NotJson):
        hint = f"the body can't be read as JSON: {value.message}"
        if value.position is None:
            # FastAPI's answer, on which fal's models stand, to all but a syntax error.
            return _failed(400, "There was an error parsing the body", settings, hint)
        item = {
            "type": "json_invalid",
            "loc": ["body", value.position],
            "msg": "JSON decode error",
            "input": {},
            "ctx": {"error": value.message},
        }
        return _refused([item], settings, f"{hint} at character {value.position}")
    return value


def _check(request: ModelRequest, settings: Settings) -> ParsedRequest | Refused:
    """Say what is wrong with an input, or take it where an assumption has it taken."""
    endpoint, given = request.endpoint, _parse(request, settings)
    assert endpoint is not None, "without one it was refused"
    assert not isinstance(given, Refused), "what can't be parsed was refused"
    assumed = settings.assumptions
    coerce = assumed.lax_types == "accepted"
    faults = endpoint.validate(given, coerce=coerce)
    if assumed.unsupported_combination == "accepted":
        faults = [fault for fault in faults if fault["type"] != "value_error"]
    if faults:
        return _refused(cast("list[JSON]", faults), settings, of_refusal(endpoint, faults, given))
    hint = of_lax_values(endpoint, given) if coerce else None
    if coerce:
        given = endpoint.coerced(given)
    assert isinstance(given, dict), "whatever else was refused above"
    filled = endpoint.with_defaults(given)
    return _parsed(endpoint, filled, endpoint.figures(filled), hint)


def _refused(detail: list[JSON], settings: Settings, hint: str | None) -> Refused:
    """Return the answer to an input that the model won't take."""
    return Refused(refusal(detail, error=error_text(422, settings.assumptions)), hint)


def _failed(code: int, detail: str, settings: Settings, hint: str | None) -> Refused:
    """Return the answer to a body that never gets to the model."""
    body = dumps({"detail": detail})
    return Refused(Outcome(code, body, NOT_BILLED, error_text(code, settings.assumptions)), hint)


def _parsed(
    endpoint: Endpoint, filled: dict[str, JSON], figures: Figures, hint: str | None = None
) -> ParsedRequest:
    if endpoint.measured:
        # Files are looked at later, and public ones never.
        figures = endpoint.figures(filled, dict.fromkeys(endpoint.measured, ASSUMED))
    media, more = _media(endpoint, filled)
    unknown = of_unknown_fields(endpoint, filled)
    if unknown or more:
        hint = "; ".join(filter(None, (hint, unknown, *more))) or None
    return ParsedRequest(
        endpoint,
        filled,
        sha256(dumps(filled, sort_keys=True)).hexdigest(),
        media,
        figures.video,
        figures.units,
        hint,
    )


def _media(
    endpoint: Endpoint, filled: dict[str, JSON]
) -> tuple[tuple[MediaValue, ...], list[str | None]]:
    """Return the files of an input, and hints about them."""
    if not endpoint.file_fields:
        return (), []
    media: list[MediaValue] = []
    hints: list[str | None] = []
    for wanted, place, value in endpoint.files(filled):
        if wanted.kind == "weights" and "://" not in value and not is_data_uri(value):
            # A name at Hugging Face.
            continue
        if len(media) == FILES:
            hints.append(f"files behind the first {FILES} aren't looked at")
            break
        media.append(medium := MediaValue(wanted, place, value))
        if is_data_uri(value) and (label := unknown_label(value)) and len(hints) < NAMED_FIELDS:
            hints.append(
                f"{medium.name}: some of fal's models refuse data URIs of {label}; "
                "upload the file to be safe"
            )
    return tuple(media), hints


def _look_at_media(
    parsed: ParsedRequest, settings: Settings, media: Media, media_base: str
) -> tuple[list[Rejected], list[Look]]:
    """Check an input's files; return the refusals, and what takes time.

    A public URL is taken on trust: nothing leaves the machine.
    """
    given = [medium for medium in parsed.media if not _is_public(medium.value)]
    if not given:
        return [], []
    # Lazy: it imports all that reads files.
    from falkit_mock.service.looks import first_looks

    return first_looks(given, settings, media, media_base)


def _is_public(value: str) -> bool:
    return "/files/" not in value and not is_data_uri(value) and unreachable(value) is None


def _refuse_media(parsed: ParsedRequest, rejected: list[Rejected], settings: Settings) -> Refused:
    """Return the one answer that names every medium the model can't load, in field order."""
    order = {medium.place: at for at, medium in enumerate(parsed.media)}
    ordered = sorted(rejected, key=lambda error: order[error.medium.place])
    hints = [error.hint for error in ordered[:NAMED_FIELDS] if error.hint]
    return _refused([error.item for error in ordered], settings, "; ".join(hints) or None)


_log = logging.getLogger("falkit_mock")
# Seconds after which a turn is asked for again that was not to be had.
_AGAIN = 0.5
_ENOUGH = "not all files were looked at, since there are too many bytes of them"


class Outcomes:
    """Decides outcomes, and keeps those that are still being decided."""

    def __init__(self, settings: Settings, store: Store, media: Media, identity: Identity) -> None:
        self._settings = settings
        self._store = store
        self._media = media
        self._identity = identity
        # Outcomes that wait on a file being decoded or downloaded, by request id.
        self._late: dict[str, asyncio.Task[Outcome]] = {}
        # Rings where a call, or another replica of a shared state, may have decided one.
        self.elsewhere = Notifier()

    @cached_property
    def workflows(self) -> Workflows:
        """What runs workflows."""
        # Lazy: few are called.
        from falkit_mock.service.workflows import Workflows

        return Workflows(self._settings, self._identity, read_request)

    def decide(
        self,
        request_id: str,
        parsed: ParsedRequest | Refused,
        request: ModelRequest,
        run: float = 0.0,
    ) -> Outcome | None:
        """Return a request's outcome, or None while its files are still being checked or made.

        `run` is how many seconds its job takes.
        """
        if isinstance(parsed, Refused):
            return _hinted(parsed)
        rejected, later = _look_at_media(parsed, self._settings, self._media, request.media_base)
        if not later:
            if rejected:
                return _hinted(_refuse_media(parsed, rejected, self._settings))
            if parsed.endpoint.measured:
                parsed = measured(parsed, {})
            made = complete(
                parsed, request, request_id, self._identity, self._settings, NOTHING_SEEN, run
            )
            if not made.draft.needs_bytes and not request.runs_steps:
                return self._keep(*success(made, parsed, request))
        if self._store.journal is not None:
            self._store.later[request_id] = dumps([request.content_type, request.media_base])
        look = self._look(request_id, parsed, request, rejected, later, run)
        self._wait_for(request_id, look)
        return None

    def decide_again(self, job: Job, request: Awaitable[ModelRequest]) -> None:
        """Decide the outcome of a job whose mock was stopped before it had."""
        self._wait_for(job.id, self._again(job, request))

    def _wait_for(self, request_id: str, work: Coroutine[Any, Any, Outcome]) -> None:
        """Have whoever asks for an outcome wait for what decides it, until it is stored."""
        task = self._late[request_id] = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(partial(self._over, request_id))

    def _over(self, request_id: str, task: asyncio.Task[Outcome]) -> None:
        if self._late.get(request_id) is task:
            del self._late[request_id]

    async def _again(self, job: Job, asked: Awaitable[ModelRequest]) -> Outcome:
        from falkit_mock.service.inputs import in_pool

        try:
            request = await asked
            parsed = request.checked or await in_pool(read_request, request, self._settings)
            if isinstance(parsed, ParsedRequest):
                rejected, later = _look_at_media(
                    parsed, self._settings, self._media, request.media_base
                )
                return await self._look(job.id, parsed, request, rejected, later, job.run)
            assert isinstance(parsed, Refused), "it is one of the two"
            outcome = _hinted(parsed)
        except Exception:
            _log.exception("the outcome of %s could not be decided again", job.id)
            outcome = platform_error("internal_error")
        return await self._decided(job.id, outcome)

    def close(self, *, gone: bool = False) -> None:
        """Look no further, at jobs that are no more or at all; who waits gets ShuttingDown."""
        for request_id, task in self._late.items():
            if not gone or self._store.get(request_id) is None:
                task.cancel()

    async def settled(self) -> None:
        """Return once all that is looked at now has been decided."""
        await asyncio.gather(*map(asyncio.shield, self._late.values()), return_exceptions=True)

    async def outcome(self, job: Job) -> Outcome:
        """Return what a job answers, waiting for its files to be looked at if need be.

        Raise ShuttingDown if the mock is stopped meanwhile.
        """
        found = job.outcome
        if found is None and job.id not in self._late and self._store.sharing is not None:
            self._wait_for(job.id, self._decided_elsewhere(job.id))
        if found is None and (task := self._late.get(job.id)):
            try:
                # A shield, since other requests may wait on the same look.
                found = await asyncio.shield(task)
            except asyncio.CancelledError:
                if task.cancelled():
                    raise ShuttingDown(job.id) from None
                raise
        stored = self._store.get(job.id)
        if stored is not None and stored.outcome is not None:
            # A cancellation may have decided it in the meantime.
            found = stored.outcome
        if found is None:
            # An outcome is stored before its look ends, unless that was cut short.
            raise ShuttingDown(job.id)
        job.outcome = found
        return found

    async def _look(
        self,
        request_id: str,
        parsed: ParsedRequest,
        request: ModelRequest,
        rejected: list[Rejected],
        later: list[Look],
        run: float,
    ) -> Outcome:
        # Lazy: most inputs name public files.
        from falkit_mock.service.checks import Rejected
        from falkit_mock.service.inputs import in_pool

        found: list[tuple[MediaValue, Found]] = []
        loop = asyncio.get_running_loop()
        until, room = loop.time() + FILE_SECONDS, FILE_BYTES
        try:
            for look in later:
                room -= look.size
                if room < 0 or loop.time() > until:
                    parsed = replace(parsed, hint=joined(parsed.hint, _ENOUGH))
                    break
                try:
                    if (one := await look.check()) is not None:
                        found.append((look.medium, one))
                except Rejected as error:
                    rejected.append(error.bare())
            if rejected:
                outcome = _hinted(_refuse_media(parsed, rejected, self._settings))
            else:
                lengths = {medium.field.field: one.seconds for medium, one in found}
                if later:
                    parsed = measured(parsed, lengths)
                seen = await in_pool(seen_in, found, {one.medium.place: one.read for one in later})
                if request.runs_steps:
                    ran = await in_pool(self.workflows.run, request_id, parsed, request)
                    outcome = self._keep(ran.outcome, ran.files)
                else:
                    made = complete(
                        parsed, request, request_id, self._identity, self._settings, seen, run
                    )
                    if made.draft.needs_bytes:
                        await in_pool(fill, made)
                    outcome = self._keep(*success(made, parsed, request))
        except Exception:
            # No caller waits for it: the job has to end all the same.
            _log.exception("the inputs of %s could not be checked", request_id)
            outcome = platform_error("internal_error")
        return await self._decided(request_id, outcome)

    async def _decided(self, request_id: str, outcome: Outcome) -> Outcome:
        """Store an outcome that was decided here, unless the job has one or is no more."""
        while True:
            with suppress(StateAway):
                async with turn(self._store):
                    job = self._store.get(request_id)
                    if job is not None and job.outcome is None:
                        self._store.decide(request_id, outcome)
                return outcome
            # Nobody else decides it.
            await asyncio.sleep(_AGAIN)

    async def _decided_elsewhere(self, request_id: str) -> Outcome:
        """Return an outcome once the replica that looks at the job's files has decided it."""
        while (job := self._store.get(request_id)) is not None:
            if job.outcome is not None:
                return job.outcome
            await self.elsewhere.waiter().wait()
        raise ShuttingDown(request_id)

    def _keep(self, outcome: Outcome, files: Iterable[FileRecord]) -> Outcome:
        for record in files:
            self._store.add_file(record)
        return outcome


def _hinted(refused: Refused) -> Outcome:
    outcome, hint = refused.outcome, refused.hint
    if hint is None:
        return outcome
    return replace(outcome, headers={**outcome.headers, HINT: header_text(hint)})
