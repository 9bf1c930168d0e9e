"""A model's llms.txt: its document in prose, for those who read rather than parse."""

from __future__ import annotations

from collections.abc import Iterator

from falkit_mock.platform.listing import description, display_name
from falkit_mock.platform.wire_json import dumps
from falkit_spec import JSON, Endpoint
from falkit_spec.schema import ordered, resolve
from falkit_spec.types import Object, is_array, is_object

_LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
}


def written(endpoint: Endpoint) -> str:
    """Return the page as Markdown; the same document gives the same page."""
    sections = (
        _head(endpoint),
        _fields("Input", endpoint.input_schema),
        _example("Example of an input", endpoint.example_input()),
        _fields("Output", endpoint.output_schema),
        _example("Example of an output", endpoint.example_output()),
        _prices(endpoint),
        _rules(endpoint),
        _calls(endpoint),
    )
    return "\n".join(line for section in sections for line in section) + "\n"


def _head(endpoint: Endpoint) -> Iterator[str]:
    yield f"# {display_name(endpoint)}"
    yield ""
    if said := description(endpoint):
        yield f"> {said}"
        yield ""
    yield f"- **Endpoint**: `https://fal.run/{endpoint.id}`"
    yield f"- **Queue**: `https://queue.fal.run/{endpoint.id}`"
    yield f"- **Model ID**: `{endpoint.id}`"
    yield f"- **Category**: {endpoint.category or 'none'}"
    yield f"- **Document**: https://fal.ai/api/openapi/queue/openapi.json?endpoint_id={endpoint.id}"


def _fields(title: str, schema: Object) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""
    required = schema.get("required")
    needed = required if is_array(required) else []
    properties = ordered(schema)
    if not properties:
        yield "The document leaves this open."
    for name, node in properties.items():
        field = resolve(node, schema)
        kind = "required" if name in needed else "optional"
        yield f"- **`{name}`** (`{_type(field)}`, _{kind}_): {_sentence(field)}"


def _type(field: Object) -> str:
    branches = field.get("anyOf")
    if is_array(branches):
        return " | ".join(_type(branch) for branch in branches if is_object(branch))
    values = field.get("enum")
    if is_array(values):
        return f"{field.get('type') or 'enum'} enum"
    named = field.get("type")
    if isinstance(named, str):
        return named
    title = field.get("title")
    return title if isinstance(title, str) else "any"


def _sentence(field: Object) -> str:
    said = field.get("description")
    parts = [said.strip().rstrip(".")] if isinstance(said, str) and said.strip() else []
    values = field.get("enum")
    if is_array(values):
        parts.append("one of " + ", ".join(_code(value) for value in values))
    parts += [words.format(field[name]) for name, words in _LIMITS.items() if name in field]
    if "default" in field:
        parts.append(f"{_code(field['default'])} if it is left out")
    return "; ".join(parts) + "." if parts else "no more is said."


def _example(title: str, value: Object) -> Iterator[str]:
    if value:
        yield ""
        yield f"{title}:"
        yield ""
        yield "```json"
        yield dumps(value).decode()
        yield "```"


def _prices(endpoint: Endpoint) -> Iterator[str]:
    if endpoint.pricing is None:
        return
    amount = endpoint.pricing.amount
    yield ""
    yield "## Price"
    yield ""
    if amount.table:
        for choice, price in amount.table.items():
            yield f"- {choice}: ${price} per {endpoint.pricing.unit}"
    else:
        yield f"- ${amount.value} per {endpoint.pricing.unit}"


def _rules(endpoint: Endpoint) -> Iterator[str]:
    if endpoint.rules:
        yield ""
        yield "## Rules between fields"
        yield ""
        for rule in endpoint.rules:
            yield f"- {rule.message}"


def _calls(endpoint: Endpoint) -> Iterator[str]:
    body = dumps(endpoint.example_input()).decode()
    yield ""
    yield "## Calls"
    yield ""
    yield "```bash"
    yield f"curl https://fal.run/{endpoint.id} \\"
    yield '  -H "Authorization: Key $FAL_KEY" -H "Content-Type: application/json" \\'
    # A quote within single quotes ends them for a shell.
    yield "  -d '{}'".format(body.replace("'", "'\\''"))
    yield "```"
    yield ""
    yield "```python"
    yield "import fal_client"
    yield ""
    yield f"result = fal_client.subscribe({endpoint.id!r}, arguments={endpoint.example_input()!r})"
    yield "```"
    yield ""
    yield "```js"
    yield 'import { fal } from "@fal-ai/client";'
    yield ""
    yield f'const {{ data }} = await fal.subscribe("{endpoint.id}", {{ input: {body} }});'
    yield "```"


def _code(value: JSON) -> str:
    return f"`{dumps(value).decode()}`"
