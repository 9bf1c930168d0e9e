"""Make the vendored documents from fal's own, in a folder for each date: `make catalogue DOCS=…`.

Facts are taken as they are: names, types, enums, limits, defaults, orders, what is required and
what may be null, and the content types and numbers of examples. Prose, prompts and addresses are
not: `catalogue.yaml` beside this has our own words, and the rest follows from the schema.
Of an id the newest document counts. The documents of LTX-2 are written by hand, and left alone.

The same folder gives the same files; `build()` gives them by path. Without a folder, only the
documents that `catalogue.yaml` itself holds are made.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import yaml

from falkit_spec import JSON, Catalog, Endpoint, Object
from falkit_spec.document import input_of, output_of
from falkit_spec.facts import dollars
from falkit_spec.origin import origin
from falkit_spec.schema import ordered
from falkit_spec.types import dig, is_array, is_object

OPENAPI = Path(__file__).parent.parent / "spec" / "falkit_spec" / "openapi"
SOURCES = OPENAPI / "sources.toml"
PAGE = Path(__file__).parent.parent / "docs" / "catalogue.md"
BY_HAND = "fal-ai/ltx-2/"
OWN: dict[str, Any] = yaml.safe_load(
    Path(__file__).with_suffix("").with_name("catalogue.yaml").read_text(encoding="utf-8")
)
# The wrapper and the status that every document has; those of a document written by hand.
MODEL_ID = "fal-ai/ltx-2/image-to-video/fast"
MODEL = OPENAPI / "2026-01" / f"{MODEL_ID}.json"
VIDEO_MODEL = OPENAPI / "2026-05" / "fal-ai" / "ltx-2" / "image-to-video.json"

PROSE = ("description", "limit_description", "example", "examples")
# The order in which a schema's keywords are written.
FIRST = ("title", "type", "properties", "anyOf", "allOf", "$ref", "items", "enum", "description")
URL = re.compile(r"(https?://|data:)", re.I)
FILE = re.compile(r"[\w.-]+\.(\w{2,11})", re.ASCII)
NAMED = re.compile(r"[a-z][\w.-]*(/[\w.:+-]+)+", re.ASCII)
# By the end of a field's name: the file that an example of it is.
FILES = {
    "image_url": "input.png",
    "image_urls": "input.png",
    "video_url": "input.mp4",
    "video_urls": "input.mp4",
    "audio_url": "input.mp3",
    "mask_url": "mask.png",
    "images_data_url": "images.zip",
}
PROMPT = "A lighthouse on a cliff at dusk, waves breaking below, gulls crossing the beam."
SPEECH = "The first train leaves at six. Bring a coat, and something warm to drink."
LORA = "https://example.com/weights.safetensors"
HEAD = "# Where each document comes from, and its SHA-256. `make catalogue` writes this."


def build(docs: Path | None) -> dict[Path, bytes]:
    """Return the bytes of each document, by its path."""
    made: dict[Path, bytes] = {}
    inferred = OWN["inferred"]
    for endpoint_id, written in inferred["documents"].items():
        made[OPENAPI / inferred["date"] / f"{endpoint_id}.json"] = text(
            wrapped(endpoint_id, written["category"], *of_pages(endpoint_id, written))
        )
    newest: dict[str, tuple[Path, Object]] = {}
    categories: dict[str, str] = dict(OWN["categories"])
    for path in sorted(docs.glob("20*/**/*.json")) if docs else ():
        inside, fals = path.relative_to(docs or path), orjson.loads(path.read_bytes())
        endpoint_id = inside.relative_to(inside.parts[0]).with_suffix("").as_posix()
        newest[endpoint_id] = (inside, fals)
        if "securitySchemes" in fals["components"]:
            # Only whole documents have fal's own category.
            categories[endpoint_id] = fals["info"]["x-fal-metadata"]["category"]
    for endpoint_id, (inside, fals) in newest.items():
        if not endpoint_id.startswith(BY_HAND):
            category = categories[endpoint_id]
            made[OPENAPI / inside] = text(wrapped(endpoint_id, category, *of_fals(fals)))
    return made


def text(document: Object) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"


def wrapped(
    endpoint_id: str, category: str, schemas: Mapping[str, JSON], takes: JSON, gives: JSON
) -> Object:
    """Return the whole document around the schemas of an endpoint; input and output by `$ref`."""
    raw = MODEL.read_text(encoding="utf-8").replace(MODEL_ID, endpoint_id)
    raw = raw.replace(MODEL_ID.replace("/", "-"), re.sub(r"[/.]", "-", endpoint_id))
    document: Any = orjson.loads(raw)
    document["info"]["x-fal-metadata"]["category"] = category
    held = document["components"]["schemas"]
    document["components"]["schemas"] = {"QueueStatus": held["QueueStatus"], **schemas}
    paths = document["paths"]
    paths[f"/{endpoint_id}"]["post"]["requestBody"]["content"]["application/json"]["schema"] = takes
    result = paths[f"/{endpoint_id}/requests/{{request_id}}"]["get"]["responses"]["200"]
    result["content"]["application/json"]["schema"] = gives
    whole: Object = document
    return whole


def of_fals(fals: Object) -> tuple[Mapping[str, JSON], JSON, JSON]:
    """Take the facts of one of fal's documents: schemas, and the references to input and output."""
    takes, gives = input_of(fals), output_of(fals)
    fields = facts_of(dig(fals, "components", "schemas"))
    into = dig(takes, "$ref")
    schemas: dict[str, JSON] = {}
    for name, node in fields.items():
        if name != "QueueStatus":
            schemas[name] = schema(node, "", into=into == f"#/components/schemas/{name}")
    return schemas, takes, gives


def of_pages(endpoint_id: str, written: Object) -> tuple[Mapping[str, JSON], JSON, JSON]:
    """Make the schemas of a document that was written from pages; its output is one video."""
    words = endpoint_id.partition("/")[2].replace(".", "").split("/")
    name = "".join(part.capitalize() for word in words for part in word.split("-"))
    model = orjson.loads(VIDEO_MODEL.read_bytes())["components"]["schemas"]
    output: Object = {
        **facts_of(written["output"]),
        "type": "object",
        "properties": {
            "video": {
                "$ref": "#/components/schemas/VideoFile",
                "examples": [example({"content_type": "video/mp4", "file_name": "x.mp4"}, "", {})],
            }
        },
        "x-fal-order-properties": ["video"],
        "required": ["video"],
    }
    schemas: Mapping[str, JSON] = {
        f"{name}Input": schema(written["input"], "", into=True),
        f"{name}Output": schema(output, "", into=False),
        "VideoFile": model["VideoFile"],
    }
    refs: list[JSON] = [
        {"$ref": f"#/components/schemas/{name}{end}"} for end in ("Input", "Output")
    ]
    return schemas, refs[0], refs[1]


def facts_of(node: JSON) -> Object:
    return node if is_object(node) else {}


def schema(node: JSON, field: str, *, into: bool, needed: bool = False) -> JSON:
    """Return a schema's facts, with our own words and examples.

    `field` is the name of the property that it is, `into` tells whether it is taken and not given,
    and `needed` whether it must be there.
    """
    if is_array(node):
        return [schema(part, "", into=into) for part in node]
    if not is_object(node):
        return node
    read: Object = {}
    for keyword in [*FIRST, *(key for key in node if key not in FIRST)]:
        if keyword == "description" and field in OWN["words"] and "$ref" not in node:
            read[keyword] = OWN["words"][field]
        elif keyword in node and keyword not in PROSE:
            read[keyword] = keyword_of(keyword, node, into)
    given = node.get("examples")
    shown: list[JSON] = []
    for one in given if is_array(given) else ():
        shown.append(example(one, field, node))
    if "$ref" in node:
        # fal gives an address where it means a file.
        shown = [{"url": one} if isinstance(one, str) and URL.match(one) else one for one in shown]
    kept: JSON = next((one for one in shown if one is not None), None)
    if kept is None and needed:
        kept = our_example(field, node)
    if kept is not None:
        read["examples"] = [kept]
    return read


def keyword_of(keyword: str, node: Object, into: bool) -> JSON:
    value = node[keyword]
    if keyword == "properties":
        required = node.get("required")
        must = required if into and is_array(required) else []
        return {
            name: schema(part, name, into=into, needed=name in must)
            for name, part in ordered(node).items()
        }
    if keyword == "items" and is_object(value) and value and all(key.isdigit() for key in value):
        return {key: schema(part, "", into=into) for key, part in value.items()}
    if keyword in ("items", "additionalProperties", "anyOf", "allOf", "oneOf", "prefixItems"):
        return schema(value, "", into=into)
    return value


def example(given: JSON, field: str, node: Object) -> JSON:
    """Return what of an example is a fact: numbers, choices, content types; None for prose."""
    if isinstance(given, str):
        return text_example(given, field, node)
    if is_array(given):
        items = [example(item, field, {}) for item in given]
        return items if None not in items else None
    if not is_object(given):
        return given
    kept = {name: example(value, name, {}) for name, value in given.items()}
    known: Object = {name: value for name, value in kept.items() if value is not None}
    named = known.get("file_name", known.get("url"))
    if isinstance(named, str):
        known["url"] = f"https://storage.googleapis.com/falserverless/{Path(named).name}"
    return known or None


def text_example(given: str, field: str, node: Object) -> JSON:
    values = node.get("enum")
    if is_array(values) and given in values:
        return given
    if NAMED.fullmatch(given):
        # The id of a model, or a content type.
        return given
    if URL.match(given):
        file = FILE.fullmatch(given.partition("?")[0].rpartition("/")[2])
        other = f"output.{file[1].lower()}" if file else "file"
        return f"https://example.com/{named_file(field) or other}"
    if field == "file_name" and (file := FILE.fullmatch(given)):
        return f"output.{file[1].lower()}"
    return None


def named_file(field: str) -> str | None:
    """Return the file that an example of a field is, by the field's name."""
    return next((name for end, name in FILES.items() if field.endswith(end)), None)


def our_example(field: str, node: Object) -> JSON:
    """Make an example of a field that an input must have; None where its schema is enough."""
    if "enum" in node or "default" in node or "$ref" in node:
        return None
    if name := named_file(field):
        url = f"https://example.com/{name}"
        return [url] if node.get("type") == "array" else url
    if node.get("type") != "string":
        return None
    if field == "path":
        return LORA
    return {"prompt": PROMPT, "text": SPEECH}.get(field)


def main() -> None:
    """Write what has changed, and say what that was."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] else None
    if folder is not None and not folder.is_dir():
        sys.exit(f"DOCS is {folder}, which is no folder")
    for path, raw in build(folder).items():
        if not path.is_file() or path.read_bytes() != raw:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw)
            print(path.relative_to(OPENAPI))
    for path, made in ((SOURCES, sources), (PAGE, page)):
        if not path.is_file() or path.read_text(encoding="utf-8") != made():
            path.write_text(made(), encoding="utf-8")
            print(path.name)


def sources() -> str:
    """Return sources.toml: of each date where its documents are from, and each one's digest."""
    parts = [HEAD]
    for date, about in OWN["dates"].items():
        files = {path: path.read_bytes() for path in (OPENAPI / date).rglob("*.json")}
        facts = [f"{name} = {orjson.dumps(said).decode()}" for name, said in about.items()]
        digests = [
            f'"{path.relative_to(OPENAPI / date).with_suffix("").as_posix()}" = '
            f'"{hashlib.sha256(files[path]).hexdigest()}"'
            for path in sorted(files)
        ]
        parts.append("\n".join([f"[{date}]", *facts, "", f"[{date}.documents]", *digests]))
    return "\n\n".join(parts) + "\n"


def page() -> str:
    """Return docs/catalogue.md: what is known out of the box, and what a call costs."""
    rows = [
        f"| `{endpoint.id}` | {endpoint.document.date} | {endpoint.category} "
        f"| {certainty(endpoint)} | {price(endpoint)} |"
        for endpoint in Catalog.vendored()
    ]
    return str(OWN["page"]).format(count=len(rows), rows="\n".join(rows))


def certainty(endpoint: Endpoint) -> str:
    found = origin(endpoint.document)
    return "" if found is None else f"[{found.certainty}]({found.source})"


def price(endpoint: Endpoint) -> str:
    """Return what one of what is paid for costs with the defaults, and by which fields."""
    pricing = endpoint.pricing
    each = pricing.each(endpoint.defaults) if pricing else None
    if pricing is None or each is None:
        return "unknown"
    amounts = pricing.amount.reads
    by = f", by `{'`, `'.join(amounts)}`" if amounts else ""
    known = "" if pricing.quantity else "; how many isn't known beforehand"
    return f"{dollars(each[0])} per {each[1]}{by}{known} ({pricing.certainty})"


if __name__ == "__main__":
    main()
