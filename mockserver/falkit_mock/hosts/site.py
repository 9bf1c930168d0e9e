"""fal.ai: documents, llms.txt and metadata of models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from falkit_mock.core import dumps
from falkit_mock.core.errors import method_not_allowed, not_found
from falkit_mock.hosts import RequestContext
from falkit_mock.hosts.replies import REQUEST_ID, Reply, json_reply, raw_reply
from falkit_mock.service.service import Service
from falkit_spec import JSON, Catalog, Endpoint
from falkit_spec.schema import ordered, resolve
from falkit_spec.types import Object, is_array, is_object

# No document says when its model appeared or changed.
_SINCE = "2025-10-23T00:00:00Z"


def metadata(endpoint: Endpoint, *, known_caller: bool) -> dict[str, JSON]:
    """Return what a list says of a model; whether it is a favourite only to those with a key."""
    about = _info(endpoint)
    return {
        "display_name": display_name(endpoint),
        "category": endpoint.category,
        "description": description(endpoint),
        "status": "active",
        "tags": [],
        "updated_at": _SINCE,
        "is_favorited": False if known_caller else None,
        "thumbnail_url": str(about.get("thumbnailUrl") or ""),
        "model_url": f"https://fal.run/{endpoint.id}",
        "license_type": "commercial",
        "date": _SINCE,
        "highlighted": False,
        "kind": "inference",
        "pinned": False,
    }


def display_name(endpoint: Endpoint) -> str:
    """Return a name for people, from the id: `Ltx 2 Image To Video Fast`."""
    inside = endpoint.id.partition("/")[2]
    return inside.replace("/", " ").replace("-", " ").replace("_", " ").title()


def description(endpoint: Endpoint) -> str:
    """Return the document's own sentence about the model."""
    info = endpoint.document.data.get("info")
    about = _info(endpoint).get("about")
    if isinstance(about, str):
        return about
    said = info.get("description") if isinstance(info, dict) else None
    return said if isinstance(said, str) else ""


def search(
    catalog: Catalog, words: str, category: str | None, ids: list[str] | None
) -> list[Endpoint]:
    """Return the models that have every word in their id, name, sentence or category."""
    wanted = words.lower().split()
    return [
        endpoint
        for endpoint in catalog
        if (ids is None or endpoint.id in ids)
        and (category is None or endpoint.category == category)
        and all(word in _text(endpoint) for word in wanted)
    ]


def unit_price(endpoint: Endpoint) -> tuple[Decimal, str] | None:
    """Return what one unit costs with the model's defaults, US dollars, and the unit's name."""
    if endpoint.pricing is None:
        return None
    amount = endpoint.pricing.amount.of(endpoint.defaults)
    return (Decimal(amount), endpoint.pricing.unit) if isinstance(amount, str) else None


def _text(endpoint: Endpoint) -> str:
    parts = (endpoint.id, display_name(endpoint), description(endpoint), endpoint.category)
    return " ".join(parts).lower()


def _info(endpoint: Endpoint) -> dict[str, JSON]:
    info = endpoint.document.data.get("info")
    about = info.get("x-fal-metadata") if isinstance(info, dict) else None
    return about if isinstance(about, dict) else {}


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
    return "; ".join(parts) + "." if parts else "the document says no more."


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


_DOCUMENT = "/api/openapi/queue/openapi.json"
_PROSE = re.compile(r"/models/(.+)/llms\.txt")


class Site:
    """GET /api/openapi/queue/openapi.json?endpoint_id=… and /models/{endpoint id}/llms.txt"""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._catalog = catalog

    async def __call__(self, context: RequestContext) -> Reply:
        prose = _PROSE.fullmatch(context.address.path)
        if context.address.path != _DOCUMENT and prose is None:
            raise not_found(f"of fal.ai this mock has only {_DOCUMENT} and /models/…/llms.txt")
        if context.method not in ("GET", "HEAD"):
            raise method_not_allowed("GET", "HEAD")
        request_id = self._service.identity.reply_id()
        if prose is not None:
            return self._prose(prose[1], request_id)
        endpoint_id = context.query.get("endpoint_id", "")
        if endpoint_id not in self._catalog:
            # The body is the bare word null (wire.md §10, I-3p).
            return json_reply(None, request_id=request_id, status_code=404)
        return raw_reply(self._catalog.get(endpoint_id).document.raw, request_id=request_id)

    def _prose(self, endpoint_id: str, request_id: str) -> Reply:
        if endpoint_id not in self._catalog:
            raise not_found(f"no model {endpoint_id}")
        text = written(self._catalog.get(endpoint_id))
        headers = {REQUEST_ID: request_id, "content-type": "text/plain; charset=utf-8"}
        return Reply(text.encode(), 200, headers)
