"""falkit env and falkit cert."""

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

import click

from falkit_mock.core.network import GATEWAY_PORT
from falkit_mock.gateway import GatewayError

if TYPE_CHECKING:
    from falkit_mock.gateway import Policy

_PLAIN = re.compile(r"[A-Za-z0-9_./:,=@%+-]+")


def render(variables: Mapping[str, str], shell: str) -> str:
    """Return lines that set the variables; `shell` is one of SHELLS."""
    line = SHELLS[shell]
    return "".join(f"{line(name, value)}\n" for name, value in variables.items())


def _bash(name: str, value: str) -> str:
    return f"export {name}={shlex.quote(value)}"


def _fish(name: str, value: str) -> str:
    text = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"set -gx {name} '{text}'"


def _pwsh(name: str, value: str) -> str:
    text = value.replace("'", "''")
    return f"$env:{name} = '{text}'"


def _dotenv(name: str, value: str) -> str:
    # Bare where it can be, since docker's --env-file takes quotes for part of the value.
    return f"{name}={value}" if _PLAIN.fullmatch(value) or "'" in value else f"{name}='{value}'"


def _github(name: str, value: str) -> str:
    return f"{name}={value}"


SHELLS: dict[str, Callable[[str, str], str]] = {
    "bash": _bash,
    "fish": _fish,
    "pwsh": _pwsh,
    "dotenv": _dotenv,
    "github": _github,
}
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
@click.option("--host", default="127.0.0.1", show_default=True, help="Where the gateway is.")
@click.option(
    "--gateway-port",
    default=GATEWAY_PORT,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="Its port.",
)
@click.option(
    "--control-token",
    envvar="FALKIT_CONTROL_TOKEN",
    show_envvar=True,
    metavar="TOKEN",
    help="The mock's token, which one bound beyond this machine asks for.",
)
def env(shell: str, host: str, gateway_port: int, control_token: str | None) -> None:
    """Print what leads programs to a mock that runs with a gateway.

    It is one that `falkit serve --gateway` started.

    \b
    bash, zsh   eval "$(falkit env)"
    fish        falkit env --shell fish | source
    pwsh        falkit env --shell pwsh | Out-String | Invoke-Expression
    GitHub      falkit env --shell github >> "$GITHUB_ENV"
    """
    from falkit_mock.gateway import GatewayError, Policy
    from falkit_mock.gateway.authority import Authority
    from falkit_mock.gateway.environment import variables

    found = _ask(host, gateway_port, control_token)
    egress: Policy = found["egress"] if found["egress"] in get_args(Policy) else "allow"
    url = f"http://[{host}]:{gateway_port}" if ":" in host else f"http://{host}:{gateway_port}"
    try:
        authority = Authority.open()
        if found["ca"] != str(authority.certificate):
            why = f"the gateway uses {found['ca']}; set FALKIT_HOME as it was for falkit serve"
            raise click.UsageError(why)
        chosen = variables(url, authority, egress, os.environ)
    except GatewayError as error:
        raise click.UsageError(str(error)) from None
    click.echo(render(chosen, shell), nl=False)


def _ask(host: str, port: int, token: str | None) -> dict[str, Any]:
    """Return what a gateway tells of itself."""
    mend = "start one with falkit serve --gateway"
    connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE)
    try:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request("GET", "/__falkit/gateway", headers=headers)
        reply = connection.getresponse()
        body: dict[str, Any] = json.loads(reply.read())
        if reply.status in (401, 403):
            raise click.UsageError(f"{body.get('detail')}")
        if reply.status != 200 or not {"egress", "ca"} <= set(body):
            raise ValueError
    except (OSError, http.client.HTTPException):
        raise click.UsageError(f"no gateway answers at {host}:{port}; {mend}") from None
    except ValueError:
        raise click.UsageError(f"what answers at {host}:{port} is no gateway; {mend}") from None
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
