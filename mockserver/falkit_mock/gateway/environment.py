"""The environment in which a program that knows only fal's names finds falkit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from falkit_mock.gateway.authority import Authority
from falkit_mock.gateway.egress import Policy
from falkit_mock.gateway.roots import ADDING, REPLACING, bundle, extra

PRELOAD = Path(__file__).with_name("preload")
# Any key will do unless the mock is told otherwise, but fal's SDK sends none without a colon.
KEY = "falkit:falkit"
# What commands within send to a mock that asks for it.
TOKEN = "FALKIT_CONTROL_TOKEN"
_LOOPBACK = "localhost,127.0.0.1,::1"


def variables(
    gateway: str,
    authority: Authority,
    egress: Policy,
    environ: Mapping[str, str],
    key: str = KEY,
    mock: str | None = None,
) -> dict[str, str]:
    """Return the variables to set over `environ`; `gateway` is the gateway's URL.

    `mock` is the mock's own, for what speaks to falkit by name; the gateway does as well. One that
    is set already is replaced, since it leads to another mock. Raise GatewayError.
    """
    found = {"FALKIT_BASE_URL": mock or gateway}
    if not (
        environ.get("FAL_KEY") or (environ.get("FAL_KEY_ID") and environ.get("FAL_KEY_SECRET"))
    ):
        found["FAL_KEY"] = key
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        found[name] = found[name.upper()] = gateway
    found["no_proxy"] = found["NO_PROXY"] = _LOOPBACK
    trusted = str(bundle(authority, environ))
    found |= dict.fromkeys(REPLACING, trusted)
    found[ADDING] = str(extra(authority, environ))
    # Not NODE_USE_ENV_PROXY: what Node is to preload does the same in every version of it, also
    # for libraries with connections of their own, and says more clearly what was blocked.
    found["NODE_OPTIONS"] = _appended(environ.get("NODE_OPTIONS", ""), PRELOAD / "falkit.cjs")
    found["PYTHONPATH"] = _prepended(environ.get("PYTHONPATH", ""), PRELOAD)
    found["FALKIT_GATEWAY"] = gateway
    found["FALKIT_EGRESS"] = egress
    return found


def _appended(options: str, preload: Path) -> str:
    text = str(preload).replace("\\", "\\\\").replace('"', '\\"')
    option = f'--require "{text}"' if " " in text else f"--require {text}"
    return options if option in options else f"{options} {option}".strip()


def _prepended(paths: str, folder: Path) -> str:
    others = [path for path in paths.split(os.pathsep) if path and path != str(folder)]
    return os.pathsep.join([str(folder), *others])
