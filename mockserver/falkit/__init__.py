"""falkit from Python: a mock of fal.ai in this process, its settings, and a client.

Everything is imported when it is first used, so that `import falkit` costs nothing.
"""

from __future__ import annotations

# Not typing's: both type checkers know the name, and typing takes milliseconds to import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from falkit.inprocess import InProcess
    from falkit.mock import Mock
    from falkit_client import AsyncClient, Client, webhooks
    from falkit_mock.assembly import create_app
    from falkit_mock.settings import Settings

    __version__: str
else:
    _MODULES = {
        "AsyncClient": "falkit_client",
        "Client": "falkit_client",
        "InProcess": "falkit.inprocess",
        "Mock": "falkit.mock",
        "Settings": "falkit_mock.settings",
        "create_app": "falkit_mock.assembly",
    }

    def __getattr__(name: str) -> object:
        from importlib import import_module, metadata

        if name in _MODULES:
            found = getattr(import_module(_MODULES[name]), name)
        elif name == "webhooks":
            found = import_module("falkit_client.webhooks")
        elif name == "__version__":
            found = metadata.version("falkit")
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found
        return found


__all__ = [
    "AsyncClient",
    "Client",
    "InProcess",
    "Mock",
    "Settings",
    "__version__",
    "create_app",
    "webhooks",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
