"""`falkit env`: the variables by which programs find a gateway that runs already."""

from __future__ import annotations

import http.client
import json
import os
from typing import TYPE_CHECKING, Any, get_args

import click

from falkit_mock.gateway.shells import SHELLS, render
from falkit_mock.serve import GATEWAY_PORT

if TYPE_CHECKING:
    from falkit_mock.gateway.egress import Policy

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
    from falkit_mock.gateway.authority import Authority
    from falkit_mock.gateway.egress import Policy
    from falkit_mock.gateway.environment import variables
    from falkit_mock.gateway.errors import GatewayError

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
