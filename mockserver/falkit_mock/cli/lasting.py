"""The options of what outlasts a mock: its state file, and what it imports and exports."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from falkit_mock.core import reason

if TYPE_CHECKING:
    from falkit_mock.app import MockApp
    from falkit_mock.service.service import Service
    from falkit_mock.settings import Settings
    from falkit_mock.store import Store
    from falkit_mock.store.link import Link


class Bytes(click.IntRange):
    """A number of bytes, which may have a unit, as in --keep."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; fail with what would do."""
        # Lazy, as below.
        from falkit_mock.core.settings import parse_bytes

        known: Any = value
        if not isinstance(value, str) or value.strip().lstrip("-").isdecimal():
            return super().convert(known, param, ctx)
        if not (size := int(parse_bytes(value))):
            fix = "give one such as 500000000 or 500MB"
            self.fail(f"{value!r} isn't a number of bytes; {fix}", param, ctx)
        return super().convert(size, param, ctx)


STATE = click.Option(
    ["--state"],
    type=click.Path(),
    metavar="FILE|redis://…",
    help="Keep everything in FILE, and uploads in FILE.uploads: jobs, files, rules, deliveries and "
    "time are there again after a restart. With --tenants it is a folder, of a file for each. "
    "Mocks on several machines share redis://HOST:PORT/DB (pip install 'falkit[redis]').  "
    "[default: forget it at the end]",
)
WORKERS = click.Option(
    ["--workers"],
    default=1,
    show_default=True,
    type=click.IntRange(1, 32),
    help="How many processes answer; more than one need a --state, which they share.",
)
KEEP = click.Option(
    ["--keep"],
    default="30d",
    show_default=True,
    metavar="AGE|BYTES|AGE,BYTES",
    help="Forget jobs and uploads that are older, or the oldest while there are more bytes: 7d, "
    "500MB, or 7d,500MB.",
)
IMPORT = click.Option(
    ["--import", "source"],
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Begin with the state that `falkit state export` wrote to FILE.",
)
EXPORT = click.Option(
    ["--export-on-exit", "target"],
    is_flag=False,
    flag_value="",
    type=click.Path(dir_okay=False),
    metavar="[FILE]",
    help="Write the state to FILE at the end.  [without FILE: that of --import, which may be new]",
)
LASTING = (STATE, KEEP, IMPORT, EXPORT)


def store_of(settings: Settings) -> Store | None:
    """Return the store of a state file, None where nothing is kept; raise SettingsError.

    Tenants have files of their own.
    """
    if settings.state is None or settings.tenants:
        return None
    # Lazy: it imports what a mock needs.
    from falkit_mock.stores import store_of

    return store_of(settings)


def shared_store(settings: Settings, link: Link) -> Store:
    """Return a worker's store of a state that others have, too; raise SettingsError."""
    # Lazy, like the above.
    from falkit_mock.core.settings import SettingsError, is_url
    from falkit_mock.store import BadCopy
    from falkit_mock.store.shared import SharedStore
    from falkit_mock.stores import store_of

    state = settings.state or ""
    if is_url(state):
        # As if each were alone on a machine.
        return store_of(settings)
    try:
        return SharedStore(state, link)
    except BadCopy as error:
        raise SettingsError("state", str(error)) from None


def seed_line(service: Service) -> str:
    """Return the line that says that a state goes on with a seed of its own, or nothing."""
    asked, has = service.settings.seed, service.identity.seed
    if asked is None or asked == has:
        return ""
    return f"seed: the state goes on with {has}, not {asked}; `falkit reset` begins with {asked}"


class Carried:
    """What a mock imports before it answers and exports at its end."""

    def __init__(self, source: str | None, target: str | None) -> None:
        """Take the options; raise a UsageError for such as can't work."""
        if target == "":
            if source is None:
                raise click.UsageError("export-on-exit: give a file, or name one with --import")
            target = source
        self._source = None if source is None else Path(source)
        self._target = None if target is None else Path(target)
        if self._source is not None and not self._source.exists() and self._source == self._target:
            self._source = None
        for name, file in (("import", self._source), ("export-on-exit", self._target)):
            if name == "import" and file is not None and not file.is_file():
                raise click.UsageError(f"import: {file}: there is no such file; name an export")
            if name != "import" and file is not None and not file.absolute().parent.is_dir():
                why = f"{file}: there is no folder {file.parent}; make it, or name another file"
                raise click.UsageError(f"export-on-exit: {why}")
        self._failure: click.UsageError | None = None

    def attach(self, app: MockApp) -> None:
        """Have an application do it; raise a UsageError where it has a state of its own."""
        service = app.service
        if service.settings.tenants and (self._source or self._target):
            name = "import" if self._source else "export-on-exit"
            fix = "--state keeps all tenants; `falkit state` takes --key for one"
            raise click.UsageError(f"{name}: has no effect on tenants; {fix}")
        if self._source is not None:
            if service.store.count() or service.store.uploads.all():
                fix = "leave out --import, or name a new state file"
                raise click.UsageError(f"import: {service.settings.state} has a state; {fix}")
            service.hooks.opening.append(lambda: self._take(app))
        if self._target is not None:
            service.hooks.ending.append(lambda: self._leave(service))

    def check(self) -> None:
        """Raise what went wrong at the end."""
        if self._failure is not None:
            raise self._failure

    async def _take(self, app: MockApp) -> None:
        # Lazy: it imports what reads archives.
        from falkit_mock.service.state import BadArchive, restore_state

        assert self._source is not None, "or nothing is taken"
        app.go_on()
        try:
            await restore_state(app.service, self._source)
        except (BadArchive, OSError) as error:
            why = reason(error) if isinstance(error, OSError) else error
            raise click.UsageError(f"import: {self._source}: {why}") from None

    async def _leave(self, service: Service) -> None:
        # Lazy, like the above.
        from falkit_mock.service.state import export_state

        assert self._target is not None, "or nothing is left"
        try:
            with replacing(self._target) as file:
                async for chunk in (await export_state(service)).chunks:
                    file.write(chunk)
        except (OSError, ValueError) as error:
            self._failure = click.UsageError(f"export-on-exit: {self._target}: {error}")


@contextmanager
def replacing(file: Path) -> Generator[IO[bytes]]:
    """Yield what is written in a file's place at the block's end, for this user's eyes only.

    What breaks off leaves an older file as it was. Keys are in a state.
    """
    part: Path | None = None
    try:
        # Lazy: most mocks write nothing at their end.
        import tempfile

        descriptor, made = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        part = Path(made)
        with open(descriptor, "wb") as target:
            yield target
        part.replace(file)
    finally:
        if part is not None:
            with suppress(OSError):
                part.unlink(missing_ok=True)
