"""Loaded by Python programs under `falkit run` (PYTHONPATH), for libraries that ignore proxies.

Two changes, each made only if the program imports the module: fal's names resolve to the
gateway, and aiohttp heeds the proxy variables, which it does only when it is told to.
A sitecustomize of the program's own still runs. It imports nothing of falkit's, since the
program may live in another environment, on another version of Python.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType
    from typing import Any

_DOMAINS = ("fal.ai", "fal.run", "fal.media", "falrun.com")
# It hands on to fal what is below /fal-ai/; the gateway passes on the rest.
_ROUTER = "router.huggingface.co"
_HERE = os.path.dirname(os.path.abspath(__file__))


def _resolve_to_gateway(socket: ModuleType) -> None:
    """Have fal's names lead to the gateway, which tells by the first bytes what is wanted."""
    place = os.environ["FALKIT_GATEWAY"].rpartition("/")[2]
    gateway_host, _, gateway_port = place.rpartition(":")
    gateway_host = gateway_host.strip("[]").lower()
    blocked = os.environ.get("FALKIT_EGRESS") == "block"
    original: Callable[..., Any] = socket.getaddrinfo

    def note(host: str, port: object) -> None:
        # The gateway's log shall know of a connection that does not go through it.
        try:
            with socket.create_connection((gateway_host, int(gateway_port)), 1) as caller:
                shown = f"[{host}]" if ":" in host else host
                where = f"{shown}:{int(str(port or 0)) or 1}"
                caller.sendall(f"CONNECT {where} HTTP/1.1\r\nx-falkit-note: 1\r\n\r\n".encode())
                caller.recv(1)
        except (OSError, ValueError):
            return

    def getaddrinfo(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        name = host.decode("latin-1") if isinstance(host, bytes) else host
        if not isinstance(name, str) or _is_here(name, socket):
            return original(host, port, *args, **options)
        bare = name.lower().rstrip(".")
        if bare == gateway_host:
            # The gateway may be on another machine; a call to it leaves by nobody's leave.
            return original(host, port, *args, **options)
        below = tuple(f".{domain}" for domain in _DOMAINS)
        if bare.endswith(below) or bare in (*_DOMAINS, _ROUTER):
            return original(gateway_host, int(gateway_port), *args, **options)
        note(name, port)
        if blocked:
            text = f"falkit let nothing out to {name}:{port} (--egress block)"
            raise socket.gaierror(socket.EAI_FAIL, text)
        return original(host, port, *args, **options)

    socket.getaddrinfo = getaddrinfo  # type: ignore[attr-defined]


def _is_here(name: str, socket: ModuleType) -> bool:
    bare = name.lower().rstrip(".")
    return bare in ("", "localhost", "0.0.0.0", "::", "::1", socket.gethostname().lower()) or (
        bare.endswith(".localhost")
        # Digits only: a name such as 127.0.0.1.example.com is somebody else's.
        or (bare.startswith("127.") and bare.replace(".", "").isdigit())
    )


def _heed_proxies(client: ModuleType) -> None:
    client.ClientSession.__init__.__kwdefaults__["trust_env"] = True


_CHANGES: dict[str, Callable[[ModuleType], None]] = {
    "socket": _resolve_to_gateway,
    "aiohttp.client": _heed_proxies,
}


class _Finder:
    """Finds a module as Python would, and has it changed right after it was loaded."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        change = _CHANGES.pop(name, None)
        if change is None:
            return None
        spec = PathFinder.find_spec(name, path, target)
        loader = spec.loader if spec else None
        if loader is None:
            return spec
        load = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            _change(change, module)

        loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _change(change: Callable[[ModuleType], None], module: ModuleType) -> None:
    # A library that looks otherwise one day must not keep the program from starting.
    try:
        change(module)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        print(f"falkit: left {module.__name__} as it is ({error!r})", file=sys.stderr)


def _run_the_next() -> None:
    others = [path for path in sys.path if os.path.abspath(path or os.curdir) != _HERE]
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        # Here, since it takes longer to import than all the rest.
        from importlib.util import module_from_spec

        spec.loader.exec_module(module_from_spec(spec))


if __name__ == "sitecustomize":
    if os.environ.get("FALKIT_GATEWAY"):
        for loaded in set(_CHANGES) & set(sys.modules):
            _change(_CHANGES.pop(loaded), sys.modules[loaded])
        sys.meta_path.insert(0, _Finder)
    _run_the_next()
