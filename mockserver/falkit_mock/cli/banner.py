"""What `falkit serve` says once requests are answered."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click

from falkit_mock.cli.options import note
from falkit_mock.core import count
from falkit_mock.core.network import GATEWAY_PORT
from falkit_mock.core.settings import shown_state

if TYPE_CHECKING:
    from falkit_mock.gateway.gateway import Gateway
    from falkit_mock.settings import Settings
    from falkit_spec import JSON, Catalog


def announce(
    url: str,
    settings: Settings,
    catalog: Catalog,
    facts: dict[str, Any],
    seed: int,
    gateway: Gateway | None,
    made_token: str | None,
) -> None:
    """Say that requests are answered: to programs on stdout, to people on stderr."""
    timing, workers = facts["timing"], facts["workers"]
    ready: dict[str, JSON] = {
        "url": url,
        "fal_run": f"{url}/fal.run",
        "queue": f"{url}/queue.fal.run",
        "control": f"{url}/__falkit",
        "seed": seed,
        "pid": os.getpid(),
    }
    more = ""
    if settings.page:
        ready["page"] = f"{url}/"
        more += f"\n    page to look at             {url}/"
    if settings.state is not None:
        ready["state"] = state = shown_state(settings.state)
        more += f"\n    state                       {state}"
    if gateway is not None:
        ready |= {"gateway": gateway.url, "ca": str(gateway.authority.certificate)}
        port = gateway.url.rpartition(":")[2]
        option = "" if port == str(GATEWAY_PORT) else f" --gateway-port {port}"
        more += f'\n    for unmodified programs     eval "$(falkit env{option})"'
    # A log may be kept where a token should not be.
    token = {} if made_token is None else {"control_token": made_token}
    if made_token is not None:
        more += f"\n    token of the control API    {made_token}"
    print(json.dumps(ready | token), flush=True)
    number = len(settings.faults) + len(settings.outputs)
    rules = f", {count(number, 'rule')}" if number else ""
    date = f", as of {settings.as_of}" if settings.as_of else ""
    own = f", {count(len(catalog.own), 'document')} of yours" if catalog.own else ""
    processes = f", {workers} workers" if workers > 1 else ""
    tenants = ", a mock for each key" if settings.tenants else ""
    title = f"falkit stands in for fal.ai at {url}"
    banner = f"""
  {title}
  (timing {timing}, seed {seed}{date}{own}{rules}{processes}{tenants})

    in place of https://        {url}/queue.fal.run/…
    proxyUrl of @fal-ai/client  {url}/api/fal/proxy
    receivers of webhooks       FALKIT_BASE_URL={url}{more}
    stop                        Ctrl-C
"""
    as_json = click.get_current_context().params["log_format"] == "json"
    note(title if as_json else banner, facts={"timing": timing, **ready})
