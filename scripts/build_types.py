"""Write the typed inputs, outputs and calls of LTX-2's documents into the client.

`falkit_client/types/<owner>/<app>.py` has the shapes, `<app>_calls.py` beside it the calls, and
`falkit_client/_typed.py` says which id has which. `build()` gives the texts by path. Types of all
other endpoints are made where they are used, by `falkit spec types`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from falkit_spec import Catalog
from falkit_spec.typed.clients import Typed, endpoint_overloads, module_name

PACKAGE = Path(__file__).parent.parent / "client" / "falkit_client"
NOTE = "Generated from fal's documents by `make types`: change those, not this."
FIRST = "from __future__ import annotations\n"
# Types of each endpoint that falkit knows would make the wheel larger by some 5 kB, and most
# programs call few.
APPS = ("fal-ai/ltx-2",)


def build() -> dict[Path, str]:
    """The text of each generated module, as the formatter leaves it."""
    texts: dict[Path, str] = {}
    classes: dict[str, str] = {}
    for app in APPS:
        typed = Typed(endpoint for endpoint in Catalog.vendored() if endpoint.app == app)
        place = PACKAGE / "types" / Path(*module(app).split("."))
        texts[place.parent / "__init__.py"] = (
            f'"""Shapes of what the models of {app.partition("/")[0]} take and give."""\n\n{FIRST}'
        )
        shapes = typed.shapes.text()
        needed = ", ".join(sorted(typed.shapes.uses - {"Medium"}))
        texts[place.with_suffix(".py")] = (
            f'"""What the models of {app} take and give.\n\n{NOTE}\n"""\n\n{FIRST}'
            f"from typing import {needed}\n"
            f"from falkit_client.media import Medium\n\n{shapes}\n"
        )
        texts[place.with_name(f"{place.name}_calls.py")] = calls(app, typed)
        classes |= {id: f"{module_name(app)}.{name}" for id, name in typed.names.items()}
    texts[PACKAGE / "_typed.py"] = clients(classes)
    return {path: formatted(path, text) for path, text in texts.items()}


def calls(app: str, typed: Typed) -> str:
    """A protocol per endpoint and client."""
    names = sorted(typed.names.values())
    shapes = ", ".join(f"{name}{kind}" for name in names for kind in ("Input", "Output"))
    protocols = [typed.calls(id, client) for id in typed.names for client in ("", "Async")]
    return "\n".join(
        [
            f'"""How the models of {app} are called.\n\n{NOTE}\n"""\n\n{FIRST}',
            "from decimal import Decimal\nfrom typing import Protocol, Unpack\n",
            "from falkit_client._handles import AsyncHandle, Handle\n",
            "from falkit_client.results import Result\n",
            f"from falkit_client.types.{module(app)} import ({shapes})\n\n",
            *protocols,
        ]
    )


def clients(classes: Mapping[str, str]) -> str:
    """The method `endpoint` of both clients, overloaded by id."""
    imports = "\n".join(
        f"    from falkit_client.types.{owner} import {name}_calls as {module_name(app)}"
        for app in APPS
        for owner, _, name in [module(app).rpartition(".")]
    )
    both = "\n\n".join(mixin(classes, client) for client in ("", "Async"))
    return f'''"""Which endpoint takes and gives what, for editors and type checkers.

{NOTE}
"""

{FIRST}
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from falkit_client.options import BoundOptions

if TYPE_CHECKING:
    from falkit_client._handles import AsyncBound, Bound
{imports}


{both}
'''


def mixin(classes: Mapping[str, str], client: str) -> str:
    named = {id: name.replace(".", f".{client}") for id, name in classes.items()}
    return f'''class {client}TypedEndpoints:
    """The method `endpoint`, typed for each id of the vendored documents.

    The overloads overlap on purpose: the last is for the ids that no other names.
    """

{endpoint_overloads(named, "overload-overlap")}
    @overload
    def endpoint(
        self, endpoint: str, /, **options: Unpack[BoundOptions]
    ) -> {client}Bound: ...

    def endpoint(self, endpoint: str, /, **options: Unpack[BoundOptions]) -> Any:
        """One endpoint with its options bound: call it with its inputs as keywords.

        An editor completes the inputs, and a type checker refuses wrong ones, where the id is
        one of the vendored documents'. Nothing is sent.
        """
        return self._bound(endpoint, options)

    @abstractmethod
    def _bound(self, endpoint: str, options: BoundOptions) -> {client}Bound:
        """Bind one endpoint."""
'''


def module(app: str) -> str:
    return ".".join(module_name(part) for part in app.split("/"))


def formatted(path: Path, text: str) -> str:
    """Sort and format as `make format` does, as if the text stood at that path."""
    ruff = [str(Path(sys.executable).with_name("ruff"))]
    for step in (["check", "--quiet", "--fix", "--exit-zero"], ["format", "--quiet"]):
        command = [*ruff, *step, "--stdin-filename", str(path), "-"]
        text = subprocess.run(
            command, input=text, capture_output=True, text=True, check=True
        ).stdout
    return text


def stale(texts: dict[Path, str]) -> Iterator[Path]:
    """The generated modules that are not what they should be."""
    for path, text in texts.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            yield path
    for path in PACKAGE.joinpath("types").rglob("*.py"):
        if path not in texts and path.parent != PACKAGE / "types":
            yield path


def main() -> None:
    texts = build()
    for path in list(stale(texts)):
        if path in texts:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(texts[path], encoding="utf-8")
        else:
            path.unlink()
        print(path.relative_to(PACKAGE.parent.parent))


if __name__ == "__main__":
    main()
