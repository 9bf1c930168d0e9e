"""fal.ai: documents, llms.txt and metadata of models."""

from __future__ import annotations

import re
from decimal import Decimal

from falkit_mock.core import HINT, dumps, header_text
from falkit_mock.core.errors import not_found, path_not_imitated
from falkit_mock.hosts import Host, RequestContext
from falkit_mock.hosts.replies import Reply, raw_reply
from falkit_spec import JSON, Catalog, Endpoint
from falkit_spec.schema import ordered, resolve
from falkit_spec.types import Object, dig, is_array, is_object

# No document says when its model appeared or changed.
_SINCE = "2025-10-23T00:00:00Z"


def metadata(endpoint: Endpoint, *, known_caller: bool) -> dict[str, JSON]:
    """Return what a list says of a model; whether it is a favourite only to those with a key."""
    thumbnail = dig(endpoint.document.info, "x-fal-metadata", "thumbnailUrl")
    return {
        "display_name": display_name(endpoint),
        "category": endpoint.category,
        "description": description(endpoint),
        "status": "active",
        "tags": [],
        "updated_at": _SINCE,
        "is_favorited": False if known_caller else None,
        "thumbnail_url": str(thumbnail or ""),
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
    info = endpoint.document.info
    for sentence in (dig(info, "x-fal-metadata", "about"), dig(info, "description")):
        if isinstance(sentence, str):
            return sentence
    return ""


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
    rate = endpoint.pricing.rate(endpoint.defaults)
    return None if rate is None else (rate, endpoint.pricing.unit)


def _text(endpoint: Endpoint) -> str:
    parts = (endpoint.id, display_name(endpoint), description(endpoint), endpoint.category)
    return " ".join(parts).lower()


_LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
}


_HEAD = """# {name}

{quote}- **Endpoint**: `https://fal.run/{id}`
- **Queue**: `https://queue.fal.run/{id}`
- **Model ID**: `{id}`
- **Category**: {category}
- **Document**: https://fal.ai/api/openapi/queue/openapi.json?endpoint_id={id}
"""
_EXAMPLE = """Example of an {}:

```json
{}
```
"""
_CALLS = """## Calls

```bash
curl https://fal.run/{id} \\
  -H "Authorization: Key $FAL_KEY" -H "Content-Type: application/json" \\
  -d '{quoted}'
```

```python
import fal_client

result = fal_client.subscribe({id!r}, arguments={input!r})
```

```js
import {{ fal }} from "@fal-ai/client";

const {{ data }} = await fal.subscribe("{id}", {{ input: {body} }});
```
"""


def written(endpoint: Endpoint) -> str:
    """Return the page as Markdown; the same document gives the same page."""
    about, input = description(endpoint), endpoint.example_input()
    body = dumps(input).decode()
    sections = (
        _HEAD.format(
            id=endpoint.id,
            name=display_name(endpoint),
            quote=f"> {about}\n\n" if about else "",
            category=endpoint.category or "none",
        ),
        _list("Input", _fields(endpoint.input_schema)),
        _example("input", input),
        _list("Output", _fields(endpoint.output_schema)),
        _example("output", endpoint.example_output()),
        _list("Price", _prices(endpoint)),
        _list("Rules between fields", [rule.message for rule in endpoint.rules]),
        # A quote within single quotes ends them for a shell.
        _CALLS.format(id=endpoint.id, input=input, body=body, quoted=body.replace("'", "'\\''")),
    )
    return "\n".join(filter(None, sections))


def _list(title: str, items: list[str]) -> str:
    """Return a section with a list, or nothing where the list is empty."""
    lines = "".join(f"- {item}\n" for item in items)
    return f"## {title}\n\n{lines}" if items else ""


def _example(kind: str, value: Object) -> str:
    return _EXAMPLE.format(kind, dumps(value).decode()) if value else ""


def _fields(schema: Object) -> list[str]:
    required = schema.get("required")
    needed = required if is_array(required) else []
    found: list[str] = []
    for name, node in ordered(schema).items():
        field = resolve(node, schema)
        kind = "required" if name in needed else "optional"
        found.append(f"**`{name}`** (`{_type(field)}`, _{kind}_): {_sentence(field)}")
    return found or ["The document leaves this open."]


def _prices(endpoint: Endpoint) -> list[str]:
    if endpoint.pricing is None:
        # As fal's pages, which then have no such section.
        return []
    amount, unit = endpoint.pricing.amount, endpoint.pricing.unit
    if amount.cases:
        return [f"{choice}: ${price} per {unit}" for choice, price in amount.cases.items()]
    each = endpoint.pricing.each(endpoint.defaults)
    by = f", by {', '.join(amount.reads)}" if amount.reads else ""
    return [] if each is None else [f"${each[0]:f} per {each[1]}{by}"]


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


def _code(value: JSON) -> str:
    return f"`{dumps(value).decode()}`"


_DOCUMENT = "/api/openapi/queue/openapi.json"
_PAGE = re.compile(r"/models/(.+)/llms\.txt")


class Site(Host):
    """GET /api/openapi/queue/openapi.json?endpoint_id=… and /models/{endpoint id}/llms.txt"""

    async def __call__(self, context: RequestContext) -> Reply:
        path = context.address.path
        page = _PAGE.fullmatch(path)
        if path != _DOCUMENT and page is None:
            known = f"{_DOCUMENT} and /models/…/llms.txt"
            raise path_not_imitated(context.address.host, path, known)
        context.allow("GET", "HEAD")
        endpoint_id = page[1] if page else context.query.get("endpoint_id", "")
        endpoint = self._catalog.endpoints.get(endpoint_id)
        if endpoint is None:
            hint = str(self._catalog.unknown(endpoint_id))
            if page:
                raise not_found(hint)
            # The body is the bare word null (wire.md §10, I-3p).
            return self.reply(None, status_code=404, headers={HINT: header_text(hint)})
        request_id = self._service.identity.reply_id()
        if page is None:
            return raw_reply(endpoint.document.raw, request_id=request_id)
        headers = {"content-type": "text/plain; charset=utf-8"}
        return raw_reply(written(endpoint).encode(), request_id=request_id, headers=headers)
