"""falkit env, falkit cert and falkit uninstall."""

from __future__ import annotations

import http.client
import json
import os
import re
import shlex
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import urlsplit

import click

from falkit_mock.core import reason
from falkit_mock.core.network import GATEWAY_PORT, PORT
from falkit_mock.gateway import GatewayError

if TYPE_CHECKING:
    from falkit_mock.gateway import Policy

_PLAIN = re.compile(r"[A-Za-z0-9_./:,=@%+-]+")


def _fish(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


def _dotenv(value: str) -> str:
    # Bare where it can be, since docker's --env-file takes quotes for part of the value.
    return value if _PLAIN.fullmatch(value) or "'" in value else f"'{value}'"


# How each shell, or file of variables, sets one.
SHELLS: dict[str, Callable[[str, str], str]] = {
    "bash": lambda name, value: f"export {name}={shlex.quote(value)}",
    "fish": lambda name, value: f"set -gx {name} '{_fish(value)}'",
    "pwsh": lambda name, value: "$env:{} = '{}'".format(name, value.replace("'", "''")),
    "dotenv": lambda name, value: f"{name}={_dotenv(value)}",
    "github": lambda name, value: f"{name}={value}",
}


def render(variables: Mapping[str, str], shell: str) -> str:
    """Return lines that set the variables; `shell` is one of SHELLS."""
    return "".join(f"{SHELLS[shell](name, value)}\n" for name, value in variables.items())


@contextmanager
def one_line() -> Generator[None]:
    """Make a GatewayError within the block a UsageError."""
    try:
        yield
    except GatewayError as error:
        raise click.UsageError(str(error)) from None


# Seconds for a gateway on this machine to answer.
_PATIENCE = 5.0


@click.command()
@click.option(
    "--shell",
    type=click.Choice(list(SHELLS)),
    default="bash",
    show_default=True,
    help="Whose words to use; dotenv and github are files of variables.",
)
@click.option(
    "--host", help="Where the gateway is.  [default: the host of FALKIT_BASE_URL, else 127.0.0.1]"
)
@click.option(
    "--gateway-port",
    type=click.IntRange(1, 65535),
    help=f"Its port.  [default: as the mock at FALKIT_BASE_URL says, else {GATEWAY_PORT}]",
)
@click.option(
    "--control-token",
    envvar="FALKIT_CONTROL_TOKEN",
    show_envvar=True,
    metavar="TOKEN",
    help="The mock's token, which one bound beyond this machine asks for.",
)
def env(shell: str, host: str | None, gateway_port: int | None, control_token: str | None) -> None:
    """Print what leads programs to a mock that runs with a gateway.

    It is one that `falkit serve --gateway` started.

    \b
    bash, zsh   eval "$(falkit env)"
    fish        falkit env --shell fish | source
    pwsh        falkit env --shell pwsh | Out-String | Invoke-Expression
    GitHub      falkit env --shell github >> "$GITHUB_ENV"
    """
    from falkit_mock.gateway import Policy
    from falkit_mock.gateway.authority import Authority
    from falkit_mock.gateway.environment import variables

    mock = os.environ.get("FALKIT_BASE_URL")
    if mock and host is None and gateway_port is None:
        host, found = _ask_mock(mock, control_token)
        gateway_port = urlsplit(str(found["url"])).port
    else:
        host, gateway_port = host or "127.0.0.1", gateway_port or GATEWAY_PORT
        fix = "start one with falkit serve --gateway, or give its --gateway-port"
        found = _ask(host, gateway_port, control_token, fix)
    url = f"http://[{host}]:{gateway_port}" if ":" in host else f"http://{host}:{gateway_port}"
    egress: Policy = found["egress"] if found["egress"] in get_args(Policy) else "allow"
    with one_line():
        authority = Authority.open()
        if found["ca"] != str(authority.certificate):
            why = f"the gateway uses {found['ca']}; set FALKIT_HOME as it was for falkit serve"
            raise click.UsageError(why)
        chosen = variables(url, authority, egress, os.environ)
    if shell == "github":
        # Runners take no NODE_OPTIONS from their file, since their own actions run on Node. Newer
        # versions of Node heed the proxy variables instead, where they are told to.
        node = chosen.pop("NODE_OPTIONS")
        chosen["NODE_USE_ENV_PROXY"] = "1"
        why = "GitHub lets no step set NODE_OPTIONS for others; steps with a Node before 22.21 need"
        click.echo(f"falkit: {why} it in their own env: NODE_OPTIONS: {node}", err=True)
    click.echo(render(chosen, shell), nl=False)


def _ask_mock(url: str, token: str | None) -> tuple[str, dict[str, Any]]:
    """Return the host of a mock, and what it tells of its gateway."""
    fix = "start that mock with --gateway, or give --gateway-port of the one that is meant"
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port or 80
    except ValueError:
        scheme, host, port = "", None, 0
    if scheme != "http" or host is None:
        good = f"give a URL such as http://127.0.0.1:{PORT}"
        raise click.UsageError(f"FALKIT_BASE_URL: {url!r} doesn't begin with http://; {good}")
    return host, _ask(host, port, token, f"FALKIT_BASE_URL is {url}; {fix}")


def _ask(host: str, port: int, token: str | None, fix: str) -> dict[str, Any]:
    """Return what a gateway, or the mock beside it, tells of it."""
    connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE)
    try:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request("GET", "/__falkit/gateway", headers=headers)
        reply = connection.getresponse()
        body: dict[str, Any] = json.loads(reply.read())
        if reply.status in (401, 403):
            raise click.UsageError(f"{body.get('detail')}")
        if reply.status == 404 and "--gateway" in str(body.get("detail")):
            raise click.UsageError(f"the mock at {host}:{port} has no gateway; {fix}")
        if reply.status != 200 or not {"url", "egress", "ca"} <= set(body):
            raise ValueError
    except (OSError, http.client.HTTPException):
        raise click.UsageError(f"no gateway answers at {host}:{port}; {fix}") from None
    except ValueError:
        raise click.UsageError(f"what answers at {host}:{port} isn't a gateway; {fix}") from None
    finally:
        connection.close()
    return body


@click.group()
def cert() -> None:
    """Show, save or renew the authority that signs for fal's names."""


@cert.command()
def path() -> None:
    """Print the path of the certificate to trust; make it if there is none."""
    from falkit_mock.gateway.authority import Authority

    with one_line():
        click.echo(Authority.open().certificate)


@cert.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
def export(file: Path | None) -> None:
    """Write the certificate, without its key, to FILE or to stdout."""
    from falkit_mock.gateway.authority import Authority

    with one_line():
        pem = Authority.open().public()
    if file is None:
        click.echo(pem, nl=False)
        return
    try:
        file.write_bytes(pem)
    except OSError as error:
        raise click.UsageError(f"can't write {file} ({reason(error)})") from None
    click.echo(f"{file}: falkit's authority, for fal's names and one router only", err=True)


@cert.command()
def renew() -> None:
    """Make a new authority; programs that trusted the old one have to trust the new one."""
    from falkit_mock.gateway.authority import Authority

    with one_line():
        made = Authority.renew()
    ends = time.strftime("%Y-%m-%d", time.gmtime(made.ends))
    click.echo(f"{made.certificate}: good until {ends}", err=True)


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
def uninstall(dry_run: bool) -> None:
    """Remove what falkit keeps in its data folder.

    It is the authority that signs for fal's names, and the bundles of roots with it. Files there
    that falkit did not make stay, and are named.
    """
    from falkit_mock.gateway.authority import data_dir, kept_files

    folder = data_dir()
    with one_line():
        ours, others = kept_files(folder)
    if ours and not others:
        ours.append(folder)
    for path in ours:
        try:
            if not dry_run:
                (path.rmdir if path.is_dir() else path.unlink)()
        except OSError as error:
            raise click.UsageError(f"can't remove {path} ({reason(error)})") from None
        click.echo(f"{'would be removed' if dry_run else 'removed'}: {path}")
    for path in others:
        click.echo(f"left, as it is not known to be falkit's: {path}")
    if not ours and not others:
        click.echo(f"nothing is kept in {folder}")
    click.echo("left: the package itself, which `pip uninstall falkit` removes")
