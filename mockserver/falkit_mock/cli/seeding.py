"""What falkit.toml puts into a mock at its start and after each reset: uploads and jobs."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from falkit_mock.core import reason
from falkit_spec import JSON
from falkit_spec.cli.project import ConfigError, beside, shown
from falkit_spec.types import is_array, is_object

if TYPE_CHECKING:
    import httpx

    from falkit_mock.app import MockApp

_INITIATE = "/rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3"
# What stands in an input for the URL of an upload.
_UPLOAD = "upload:"
_FIELDS = {"uploads": {"name", "file", "content_type"}, "jobs": {"endpoint", "input", "webhook"}}
_FIXES = {
    "uploads": 'write each as [[uploads]] with name = "cat" and file = "cat.png"',
    "jobs": 'write each as [[jobs]] with endpoint = "ID" and input = { … }',
}


@dataclass(frozen=True, slots=True)
class SeedUpload:
    """A file of this machine that is uploaded, and the name by which inputs have it."""

    name: str
    file: Path
    content_type: str


@dataclass(frozen=True, slots=True)
class SeedJob:
    """A request that is submitted."""

    endpoint: str
    input: Mapping[str, JSON]
    webhook: str | None


@dataclass(frozen=True, slots=True)
class Seed:
    """Uploads and jobs, in the order in which they are made."""

    # The file that says so, as people write it.
    shown: str
    uploads: tuple[SeedUpload, ...] = ()
    jobs: tuple[SeedJob, ...] = ()

    @classmethod
    def read(cls, path: Path, uploads: object, jobs: object) -> Seed:
        """Read the tables of a file; raise ConfigError."""
        where = shown(path)
        made: list[SeedUpload] = []
        for number, table in enumerate(_tables(where, "uploads", uploads), 1):
            name, file, kind = (table.get(each) for each in ("name", "file", "content_type"))
            texts = isinstance(name, str) and isinstance(file, str) and bool(name and file)
            if not texts or not isinstance(kind, str | None):
                raise ConfigError(f"{where}: uploads: upload {number}: {_FIXES['uploads']}")
            place = Path(beside(path, cast(str, file)))
            if not place.is_file():
                why = f"file: {shown(place)}: there is no such file; name one beside this"
                raise ConfigError(f"{where}: uploads: upload {number}: {why}")
            guessed = mimetypes.guess_type(place.name)[0] or "application/octet-stream"
            made.append(SeedUpload(cast(str, name), place, kind or guessed))
        asked: list[SeedJob] = []
        for number, table in enumerate(_tables(where, "jobs", jobs), 1):
            endpoint, input, hook = (table.get(each) for each in ("endpoint", "input", "webhook"))
            good = isinstance(endpoint, str) and endpoint and isinstance(hook, str | None)
            if not good or not is_object(input):
                raise ConfigError(f"{where}: jobs: job {number}: {_FIXES['jobs']}")
            try:
                json.dumps(input)
            except (TypeError, ValueError) as error:
                why = f"input can't be sent as JSON ({error}); give text, numbers and tables"
                raise ConfigError(f"{where}: jobs: job {number}: {why}") from None
            known = {f"{_UPLOAD}{one.name}" for one in made}
            if unknown := sorted(set(_named(input)) - known):
                fix = "name one of [[uploads]]"
                raise ConfigError(f"{where}: jobs: job {number}: {unknown[0]!r}: {fix}")
            asked.append(SeedJob(cast(str, endpoint).strip("/"), input, cast("str | None", hook)))
        return cls(where, tuple(made), tuple(asked))

    def attach(self, app: MockApp, url: str, *, again: bool = False) -> None:
        """Have an application made so at its start, unless it has a state, and at each reset.

        One that takes the place of another, `again`, has begun already.
        """
        if not self.uploads and not self.jobs:
            return
        app.attend(lambda one, key: self._attach(one, url, key, again=again))

    def _attach(self, app: MockApp, url: str, key: str | None, *, again: bool) -> None:
        service, api_keys = app.service, app.service.settings.api_keys
        if key is None:
            key = min(api_keys, default="falkit")
        else:
            key = next((one for one in api_keys if one.partition(":")[0] == key), key)

        async def play() -> None:
            service.job_events.uncalled = True
            try:
                await self._play(app, url, key)
            finally:
                service.job_events.uncalled = False

        async def play_first() -> None:
            if not service.store.count() and not service.store.uploads.all():
                await play()

        if not again:
            service.hooks.opening.append(play_first)
        service.hooks.replayed.append(play)

    async def _play(self, app: MockApp, url: str, key: str) -> None:
        """Upload and submit, as a client of the mock at a URL does."""
        # Lazy: most mocks begin empty.
        import httpx

        urls: dict[str, str] = {}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url=url,
            headers={"authorization": f"Key {key}"},
        ) as http:
            for upload in self.uploads:
                body = {"file_name": upload.file.name, "content_type": upload.content_type}
                opened = (await self._sent(http, "POST", _INITIATE, json=body)).json()
                try:
                    data = upload.file.read_bytes()
                except OSError as error:
                    why = f"{shown(upload.file)}: can't be read ({reason(error)})"
                    raise click.UsageError(f"{self.shown}: uploads: {why}") from None
                await self._sent(http, "PUT", opened["upload_url"], content=data)
                urls[f"{_UPLOAD}{upload.name}"] = opened["file_url"]
            for job in self.jobs:
                query = {} if job.webhook is None else {"fal_webhook": job.webhook}
                path = f"/queue.fal.run/{job.endpoint}"
                await self._sent(http, "POST", path, json=_with(job.input, urls), params=query)
        app.request_log.restart()

    async def _sent(
        self, http: httpx.AsyncClient, method: str, url: str, **options: Any
    ) -> httpx.Response:
        reply = await http.request(method, url, **options)
        if reply.status_code >= 400:
            what = f"{method} {url.partition('?')[0]} was answered {reply.status_code}"
            raise click.UsageError(f"{self.shown}: {what}: {reply.text}")
        return reply


def _tables(where: str, name: str, value: object) -> Sequence[Mapping[str, JSON]]:
    """Return the tables of a list, each with known fields alone; raise ConfigError."""
    if not is_array(value) or not all(is_object(each) for each in value):
        raise ConfigError(f"{where}: {name}: {_FIXES[name]}")
    tables = cast("list[dict[str, JSON]]", value)
    for number, table in enumerate(tables, 1):
        if strange := sorted(table.keys() - _FIELDS[name]):
            known = ", ".join(sorted(_FIELDS[name]))
            one = name.removesuffix("s")
            why = f"{strange[0]}: no field has this name; those there are: {known}"
            raise ConfigError(f"{where}: {name}: {one} {number}: {why}")
    return tables


def _named(value: JSON) -> list[str]:
    """Return the uploads that an input names."""
    if isinstance(value, str):
        return [value] if value.startswith(_UPLOAD) else []
    items = value.values() if is_object(value) else value if is_array(value) else ()
    return [name for item in items for name in _named(item)]


def _with(value: Any, urls: Mapping[str, str]) -> Any:
    """Return an input with the URLs of uploads in the place of their names."""
    if isinstance(value, str):
        return urls.get(value, value)
    if is_object(value):
        return {name: _with(each, urls) for name, each in value.items()}
    return [_with(each, urls) for each in value] if is_array(value) else value
