"""`falkit cert`: where the local authority is, a copy of it, a new one."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from falkit_mock.gateway.errors import GatewayError


@click.group()
def cert() -> None:
    """Show, save or renew the authority that signs for fal's names."""


@cert.command()
def path() -> None:
    """Print the path of the certificate to trust; make it if there is none."""
    from falkit_mock.gateway.authority import Authority

    with _one_line():
        click.echo(Authority.open().certificate)


@cert.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
def export(file: Path | None) -> None:
    """Write the certificate, without its key, to FILE or to stdout."""
    from falkit_mock.gateway.authority import Authority

    with _one_line():
        pem = Authority.open().public()
    if file is None:
        click.echo(pem, nl=False)
        return
    try:
        file.write_bytes(pem)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise click.UsageError(f"can't write {file} ({reason})") from None
    click.echo(f"{file}: falkit's authority, for fal's names only", err=True)


@cert.command()
def renew() -> None:
    """Make a new authority; what trusted the old one has to be told of the new one."""
    from falkit_mock.gateway.authority import Authority

    with _one_line():
        made = Authority.renew()
    ends = time.strftime("%Y-%m-%d", time.gmtime(made.ends))
    click.echo(f"{made.certificate}: good until {ends}", err=True)


@contextmanager
def _one_line() -> Generator[None]:
    try:
        yield
    except GatewayError as error:
        raise click.UsageError(str(error)) from None
