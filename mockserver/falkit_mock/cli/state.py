"""falkit state: export and import a running mock's state, prune and verify files of it."""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from falkit_mock.cli.lasting import KEEP, replacing
from falkit_mock.cli.running import RunningMock, json_option, running_mock
from falkit_mock.core import count, reason
from falkit_mock.core.settings import Keep, SettingsError, is_url
from falkit_spec.cli.progress import Progress, amount

if TYPE_CHECKING:
    from falkit_mock.service.service import Service
    from falkit_mock.store import Store
    from falkit_mock.store.durable import DurableStore
    from falkit_mock.store.redis.store import RedisStore

_STEP = 1 << 20
# Seconds before it is shown how far an export or an import is: most are done by then.
_SOON = 0.3
# How often what was forgotten is committed: each time it has to reach the disk.
_COMMIT = 50
# With what an sqlite database begins.
_DATABASE = b"SQLite format 3\0"


@click.group()
def state() -> None:
    """Export, import, prune or verify what a mock keeps."""


@state.command("export")
@running_mock
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export(mock: RunningMock, file: Path) -> None:
    """Write a running mock's whole state to FILE.

    Jobs, uploads, rules, clock and seed are in it.
    """
    if file.is_symlink() or (file.exists() and not file.is_file()):
        raise click.UsageError(f"{file}: is a link or no regular file; name another file")
    try:
        with (
            Progress(after=_SOON) as line,
            replacing(file) as target,
            mock.open("GET", "/state") as reply,
        ):
            total = int(reply.headers.get("content-length", 0)) or None
            for chunk in reply.iter_bytes(_STEP):
                there = target.tell() + target.write(chunk)
                line.show(f"writing {amount(there, total)}", there / total if total else None)
        size = file.stat().st_size
    except OSError as error:
        raise _file_error(file, "written", error, "name another file") from None
    click.echo(f"{file}: {size:,} bytes")


@state.command("import")
@running_mock
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def import_(mock: RunningMock, file: Path, as_json: bool) -> None:
    """Have a running mock take the state that is in FILE.

    It is one that `falkit state export` wrote, and comes in place of the mock's own.
    """
    try:
        source = file.open("rb")
    except OSError as error:
        fix = "name a file that falkit state export has written"
        raise _file_error(file, "read", error, fix) from None
    line = Progress(wanted=not as_json, after=_SOON)
    try:
        with (
            line,
            source,
            replace(mock, note=line.print).open(
                "PUT", "/state", content=_sent(source, line)
            ) as reply,
        ):
            state = json.loads(reply.read())
    except click.UsageError as error:
        # What the mock calls the body is this file.
        why = error.message
        mine = f"{file}: {why.removeprefix('body: ')}" if why.startswith("body: ") else why
        raise click.UsageError(mine) from None
    told = f"{count(state['jobs'], 'job')}, seed {state['seed']}"
    click.echo(json.dumps(state) if as_json else told)


def _sent(source: BinaryIO, line: Progress) -> Iterator[bytes]:
    """Yield a file's bytes, and show how many of them are sent."""
    total, sent = os.fstat(source.fileno()).st_size, 0
    while chunk := source.read(_STEP):
        yield chunk
        sent += len(chunk)
        # A pipe has no size.
        line.show(f"sending {amount(sent, total)}", min(sent / total, 1) if total else None)
    line.show("sent; the mock reads it")


def _file_error(file: Path, done: str, error: OSError, fix: str) -> click.UsageError:
    return click.UsageError(f"{file}: can't be {done} ({reason(error)}); {fix}")


@state.command()
@click.argument("file")
def verify(file: str) -> None:
    """Read all of a state file, an export or a state in Redis, and check it to the last byte.

    Neither is changed.
    The exit code is 2, and one line says why, where something is wrong.
    """
    if is_url(file):
        with _opened_url(file) as store:
            store.check_blobs()
            click.echo(f"{store.path}: a whole state, {_contents(store)}")
        return
    _verify_file(Path(file))


def _refuse_folder(file: Path) -> None:
    if file.is_dir():
        fix = "name a file in it: with --tenants each key has one, KEY-….state"
        raise click.UsageError(f"{file} is a folder; {fix}")


def _verify_file(file: Path) -> None:
    _refuse_folder(file)
    try:
        with file.open("rb") as source:
            database = source.read(len(_DATABASE)) == _DATABASE
    except OSError as error:
        raise _file_error(file, "read", error, "name a state file or an export") from None
    if not database:
        click.echo(f"{file}: a whole export, {_exported(file)}")
        return
    # Lazy: it imports sqlite.
    from falkit_mock.service.lasting import facts_in
    from falkit_mock.store import BadCopy
    from falkit_mock.store.verifying import verify as read

    try:
        jobs, uploads = read(file, facts_in)
    except BadCopy as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"{file}: a whole state, {count(jobs, 'job')} and {count(uploads, 'upload')}")


@state.command(params=[KEEP])
@click.argument("file")
def prune(file: str, keep: str) -> None:
    """Forget what is old in a state file, and make it smaller, or in a Redis, mocks or not.

    \b
    falkit state prune falkit.state --keep 7d
    falkit state prune redis://10.0.0.5:6379/0 --keep 7d
    falkit state prune falkit.state --keep 7d,500MB
    """
    try:
        limits = Keep.read(keep)
    except SettingsError as error:
        raise click.UsageError(str(error)) from None
    # Lazy, like what is below.
    from falkit_mock.service.lasting import facts_in
    from falkit_mock.store.keeping import forgetting, now_in

    if is_url(file):
        with _opened_url(file) as shared:
            for _ in forgetting(shared, limits, now_in(shared.facts)):
                pass
            click.echo(f"{shared.path}: {_contents(shared)}")
        return
    path = Path(file)
    _refuse_folder(path)
    if not path.is_file():
        raise click.UsageError(f"{file}: there is no such file; name a state file")
    with _opened(path) as store:
        before = path.stat().st_size
        facts_in(store)
        assert store.journal is not None, "it has one"
        store.journal.hold()
        for step, _ in enumerate(forgetting(store, limits, now_in(store.facts))):
            if step % _COMMIT == 0:
                store.journal.release()
                store.journal.hold()
        store.journal.release()
        store.shrink()
        left = _contents(store)
    click.echo(f"{file}: {left}; {before:,} bytes are {path.stat().st_size:,} now")


@contextmanager
def _opened(file: Path) -> Generator[DurableStore]:
    # Lazy: it imports sqlite.
    from falkit_mock.store import BadCopy
    from falkit_mock.store.durable import DurableStore

    try:
        with closing(DurableStore(file)) as store:
            yield store
    except BadCopy as error:
        raise click.UsageError(str(error)) from None


@contextmanager
def _opened_url(url: str) -> Generator[RedisStore]:
    # Lazy, like the above.
    from falkit_mock.store import BadCopy
    from falkit_mock.store.redis.store import RedisStore

    try:
        with closing(RedisStore(url, new=False)) as store:
            yield store
    except BadCopy as error:
        raise click.UsageError(str(error)) from None


def _contents(store: Store) -> str:
    jobs, uploads = store.count(), len(store.uploads.all())
    return f"{count(jobs, 'job')} and {count(uploads, 'upload')}"


def _service() -> Service:
    """Return a service that knows which facts can be taken."""
    from falkit_mock.core.clock import SimulatedClock
    from falkit_mock.service.service import Service
    from falkit_mock.settings import Settings
    from falkit_mock.store import Store

    return Service(Settings(), SimulatedClock(), Store())


def _exported(file: Path) -> str:
    # Lazy, like the above.
    from falkit_mock.service.facts import BadFacts, check_facts
    from falkit_mock.service.state import BadArchive, copied_from
    from falkit_mock.store.blobs import Blobs

    with closing(Blobs()) as blobs:
        try:
            meta, copy = copied_from(file, blobs)
            check_facts(_service(), meta)
        except (BadArchive, BadFacts) as error:
            raise click.UsageError(f"{file}: {error}") from None
        jobs, uploads = copy.count(), len(copy.uploads.all())
        return f"{count(jobs, 'job')} and {count(uploads, 'upload')}"
