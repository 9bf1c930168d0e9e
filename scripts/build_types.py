"""Write the typed inputs, outputs and calls of LTX-2 into the client.

`falkit_client/types/<owner>/<app>.py` has the shapes, `<app>_calls.py` beside it the calls, and
`falkit_client/_typed.py` says which id has which. `build()` gives the texts by path.
"""

from __future__ import annotations

import keyword
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from falkit_spec import JSON, Catalog, Endpoint, Object
from falkit_spec.schema import ordered, resolve
from falkit_spec.types import is_array, is_object

PACKAGE = Path(__file__).parent.parent / "client" / "falkit_client"
APPS = ("fal-ai/ltx-2",)
NOTE = "Generated from fal's documents by `make types`: change those, not this."
PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
FIRST = "from __future__ import annotations\n"


def build() -> dict[Path, str]:
    """The text of each generated module, as the formatter leaves it."""
    apps: dict[str, list[Endpoint]] = {}
    for endpoint in Catalog.vendored():
        # All others would make the client much larger than the rest of it.
        if endpoint.app in APPS:
            apps.setdefault(endpoint.app, []).append(endpoint)
    texts = {PACKAGE / "_typed.py": clients(apps)}
    for app, endpoints in apps.items():
        place = PACKAGE / "types" / Path(*module(app).split("."))
        texts[place.parent / "__init__.py"] = (
            f'"""Shapes of what the models of {app.partition("/")[0]} take and give."""\n\n{FIRST}'
        )
        texts[place.with_suffix(".py")] = Shapes(app).text(endpoints)
        texts[place.with_name(f"{place.name}_calls.py")] = calls(app, endpoints)
    return {path: formatted(path, text) for path, text in texts.items()}


class Shapes:
    """Gathers the TypedDicts of one app; shapes of the same name are the same shape."""

    def __init__(self, app: str) -> None:
        self.app = app
        self.classes: dict[str, str] = {}

    def text(self, endpoints: list[Endpoint]) -> str:
        for endpoint in endpoints:
            media = {medium.field for medium in endpoint.media_inputs}
            name = class_name(endpoint)
            for kind, schema in (
                ("Input", endpoint.input_schema),
                ("Output", endpoint.output_schema),
            ):
                about = f"{kind} of {endpoint.id}."
                self.shape(
                    f"{name}{kind}", schema, schema, about, media if kind == "Input" else set()
                )
        body = "\n\n".join(self.classes.values())
        return (
            f'"""What the models of {self.app} take and give.\n\n{NOTE}\n"""\n\n{FIRST}'
            "from typing import Literal, Required, TypedDict\n"
            f"from falkit_client.media import Medium\n\n{body}\n"
        )

    def shape(
        self, name: str, schema: Object, root: Object, about: str, media: set[str] | None = None
    ) -> str:
        required = schema.get("required")
        must = required if is_array(required) else []
        lines = [f"class {name}(TypedDict, total=False):", f'    """{about}"""', ""]
        for field, node in ordered(schema).items():
            if not field.isidentifier() or keyword.iskeyword(field):
                sys.exit(f"{self.app}: {field!r} of {name} is no name that a TypedDict class takes")
            of = resolve(node, root)
            kind = self.annotation(node, root)
            if field in (media or ()):
                kind = "Medium | None" if kind.endswith("| None") else "Medium"
            lines.append(f"    {field}: {f'Required[{kind}]' if field in must else kind}")
            lines.append(textwrap.indent(docstring(of), "    "))
        text = "\n".join(lines) + "\n"
        if self.classes.setdefault(name, text) != text:
            sys.exit(f"{self.app}: its documents have two shapes named {name}")
        return name

    def annotation(self, node: JSON, root: Object) -> str:
        of = resolve(node, root)
        values, kind, branches = of.get("enum"), of.get("type"), of.get("anyOf")
        if is_array(values):
            return f"Literal[{', '.join(map(repr, values))}]"
        if is_array(branches):
            return " | ".join(dict.fromkeys(self.annotation(one, root) for one in branches))
        if is_array(kind):
            parts = (self.annotation({**of, "type": one}, root) for one in kind)
            return " | ".join(dict.fromkeys(parts))
        if kind == "array":
            return f"list[{self.annotation(of.get('items'), root)}]"
        if kind == "object" and is_object(of.get("properties")):
            pointed = self.pointed(node, root) or of
            title = re.sub(r"\W", "", str(pointed.get("title", ""))) or "Unnamed"
            return self.shape(title, pointed, root, str(pointed.get("description", f"{title}.")))
        return PLAIN.get(str(kind), "object")

    def pointed(self, node: JSON, root: Object) -> Object:
        """What a reference leads to, without the title of the field that refers to it."""
        while is_object(node):
            parts = node.get("allOf")
            if is_array(parts) and len(parts) == 1:
                node = parts[0]
            elif "$ref" in node:
                return resolve({"$ref": node["$ref"]}, root)
            else:
                break
        return {}


def docstring(of: Object) -> str:
    """A field's description, its limits and its default."""
    words = [str(of.get("description") or of.get("title") or "").strip()]
    low, high = of.get("minimum", of.get("minLength")), of.get("maximum", of.get("maxLength"))
    if low is not None and high is not None:
        unit = " characters" if "string" in str(of.get("type")) else ""
        words.append(f"{low} to {high}{unit}.")
    if "default" in of:
        words.append(f"Default: {of['default']!r}.")
    text = " ".join(word for word in words if word).replace("\\", "\\\\").replace('"""', "'''")
    lines = textwrap.wrap(text, 93)
    return (
        f'"""{lines[0]}"""' if len(lines) == 1 else "\n".join(['"""' + lines[0], *lines[1:], '"""'])
    )


def calls(app: str, endpoints: list[Endpoint]) -> str:
    """A protocol per endpoint and client."""
    names = [class_name(endpoint) for endpoint in endpoints]
    shapes = ", ".join(f"{name}{kind}" for name in sorted(names) for kind in ("Input", "Output"))
    parts = [
        f'"""How the models of {app} are called.\n\n{NOTE}\n"""\n\n{FIRST}',
        "from decimal import Decimal\nfrom typing import Protocol, Unpack\n",
        "from falkit_client._handles import AsyncHandle, Handle\n",
        "from falkit_client.results import Result\n",
        f"from falkit_client.types.{module(app)} import ({shapes})\n",
    ]
    for endpoint, name in zip(endpoints, names, strict=True):
        parts += [protocol(endpoint, name, ""), protocol(endpoint, name, "Async")]
    return "\n".join(parts)


def protocol(endpoint: Endpoint, name: str, client: str) -> str:
    word, takes = "async def" if client else "def", f"**input: Unpack[{name}Input]"
    result = f"Result[{name}Output]"
    gives = {"run": result, "submit": f"{client}Handle[{name}Output]", "subscribe": result}
    lines = [f"class {client}{name}(Protocol):", f'    """{endpoint.id}, its options bound."""', ""]
    lines += [f"    {word} {call}(self, {takes}) -> {to}: ...\n" for call, to in gives.items()]
    return "\n".join([*lines, f"    def price(self, {takes}) -> Decimal | None: ...\n\n"])


def clients(apps: dict[str, list[Endpoint]]) -> str:
    """The method `endpoint` of both clients, overloaded by id."""
    imports = "\n".join(
        f"    from falkit_client.types.{owner} import {name}_calls as {app_module(app)}"
        for app in apps
        for owner, _, name in [module(app).rpartition(".")]
    )
    classes = "\n\n".join(mixin(apps, client) for client in ("", "Async"))
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


{classes}
'''


def mixin(apps: dict[str, list[Endpoint]], client: str) -> str:
    overloads = "\n".join(
        f"    @overload\n    def endpoint(  # type: ignore[overload-overlap]\n"
        f"        self, endpoint: Literal[{endpoint.id!r}], /, **options: Unpack[BoundOptions]"
        f"    ) -> {app_module(app)}.{client}{class_name(endpoint)}: ...\n"
        for app, endpoints in apps.items()
        for endpoint in endpoints
    )
    return f'''class {client}TypedEndpoints:
    """The method `endpoint`, typed for each id of the vendored documents.

    The overloads overlap on purpose: the last is for the ids that no other names.
    """

{overloads}
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
    return ".".join(re.sub(r"\W", "_", part) for part in app.split("/"))


def app_module(app: str) -> str:
    return module(app).replace(".", "_")


def class_name(endpoint: Endpoint) -> str:
    rest = endpoint.id.removeprefix(endpoint.app).strip("/") or endpoint.alias
    return "".join(word.capitalize() for word in re.split(r"\W|_", rest))


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
