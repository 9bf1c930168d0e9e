"""Variables in the words of a shell, or of a file that others read them from."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping

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
