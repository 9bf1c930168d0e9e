"""`falkit reset`, `falkit export` and `falkit import`: a running mock's whole state."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from falkit_mock.calling import RunningMock, running_mock

_STEP = 1 << 20


@click.command()
@running_mock
@click.option("--keep-rules", is_flag=True, help="Keep the rules that were set since the start.")
def reset(mock: RunningMock, keep_rules: bool) -> None:
    """Empty a running mock; the same ids come again."""
    told = mock.post("/reset", {"keep_rules": keep_rules})
    click.echo(f"empty, seed {told['seed']}")


@click.command("export")
@running_mock
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export(mock: RunningMock, file: Path) -> None:
    """Write a running mock's whole state to FILE.

    Jobs, uploads, rules, clock and seed are in it.
    """
    # Beside it first, so that what breaks off leaves an older file as it was.
    part = file.with_name(f"{file.name}.part")
    try:
        with mock.open("GET", "/state") as reply, part.open("wb") as target:
            for chunk in reply.iter_bytes(_STEP):
                target.write(chunk)
        size = part.stat().st_size
        part.replace(file)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise click.UsageError(f"{file}: can't be written ({reason}); name another file") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    click.echo(f"{file}: {size:,} bytes")


@click.command("import")
@running_mock
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def import_(mock: RunningMock, file: Path) -> None:
    """Have a running mock take the state that is in FILE.

    It is one that `falkit export` wrote, and comes in place of the mock's own.
    """
    import json

    try:
        source = file.open("rb")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        why = f"{file}: can't be read ({reason}); name a file that falkit export has written"
        raise click.UsageError(why) from None
    try:
        with source, mock.open("PUT", "/state", content=_chunks(source)) as reply:
            told = json.loads(reply.read())
    except click.UsageError as error:
        # What the mock calls the body is this file.
        why = error.message
        mine = f"{file}: {why.removeprefix('body: ')}" if why.startswith("body: ") else why
        raise click.UsageError(mine) from None
    click.echo(f"{told['jobs']} jobs, seed {told['seed']}")


def _chunks(source: BinaryIO) -> Iterator[bytes]:
    while chunk := source.read(_STEP):
        yield chunk
