"""One endpoint's OpenAPI document, as it was published."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

import orjson

from falkit_spec.errors import BadDocument
from falkit_spec.schema import follow_ref
from falkit_spec.types import JSON, Object, dig, is_object

_EXPECTED = "expected is what https://fal.ai/api/openapi/queue/openapi.json?endpoint_id=<id> serves"
_ID = re.compile(r"[A-Za-z0-9_-][\w.-]*(/[A-Za-z0-9_-][\w.-]*){1,15}", re.ASCII)
_ID_EXPECTED = "expected are two or more names with slashes between, such as fal-ai/flux/dev"
_LONGEST_ID = 256
RESULT = "/requests/{request_id}"
_SUCCESS = ("200", "201", "202", "2XX", "default")
_JSON_TYPE = re.compile(r"(application/([\w.-]+\+)?json|\*/\*)\s*(;|$)", re.ASCII | re.IGNORECASE)
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class Document:
    """A document's bytes, parsed when they are first needed.

    `source` names the file or address in errors. `date` is the month in which fal published a
    vendored document, such as `2026-05`; empty for others.
    `endpoint_id` may be given where it is known already, so that nothing is parsed to learn it.
    """

    def __init__(
        self, raw: bytes, *, source: str, endpoint_id: str | None = None, date: str = ""
    ) -> None:
        self.raw = raw
        self.source = source
        self.date = date
        self._known_id = endpoint_id
        self._info: JSON = None

    def __repr__(self) -> str:
        return f"Document({self.source!r})"

    @classmethod
    def from_path(cls, path: Path, *, endpoint_id: str | None = None, date: str = "") -> Document:
        """Read a document from a file; BadDocument if it cannot be read."""
        try:
            raw = path.read_bytes()
        except OSError as error:
            reason = f"cannot be read ({error.strerror or error}); give the path of a JSON file"
            raise BadDocument(str(path), reason) from error
        return cls(raw, source=str(path), endpoint_id=endpoint_id, date=date)

    @cached_property
    def data(self) -> Object:
        """The document parsed; BadDocument if it is not a JSON object."""
        return read_object(self.raw, self.source)

    @property
    def endpoint_id(self) -> str:
        """The endpoint's id: what fal's metadata names, else the path that takes the POST."""
        return self._known_id or self.learn_id(self.data)

    @property
    def info(self) -> JSON:
        """What the document says of itself under `info`."""
        return self.data.get("info") if self._info is None else self._info

    def learn_id(self, data: Object) -> str:
        """Find the id in the parsed document, and keep it; BadDocument if there is none.

        The document's `info` is kept too: a reader of a thousand documents, and who lists them,
        need not keep a thousand parsed.
        """
        self._info = data.get("info")
        found = (_named(data) or submit_path(data)).strip("/")
        if not found and "swagger" in data:
            raise BadDocument(self.source, "is Swagger 2; fal's documents are OpenAPI 3")
        if not found:
            raise BadDocument(
                self.source,
                "names no endpoint: no info.x-fal-metadata.endpointId, nor one POST path",
            )
        if not is_id(found):
            raise BadDocument(self.source, f"{found[:100]!r} is no endpoint id; {_ID_EXPECTED}")
        self._known_id = found
        return found


def read_object(raw: bytes, source: str) -> Object:
    """Return the JSON object that a document's bytes hold; BadDocument if they hold none."""
    if raw.startswith(_UTF_16):
        raise BadDocument(source, "is written in UTF-16; save it as UTF-8")
    try:
        data: JSON = orjson.loads(raw.removeprefix(_BOM))
    except orjson.JSONDecodeError as error:
        raise BadDocument(source, f"not JSON ({error}); {_EXPECTED}") from error
    if not is_object(data):
        raise BadDocument(source, f"JSON, but not an object; {_EXPECTED}")
    return data


def is_id(text: str) -> bool:
    """Tell whether a text can be an endpoint's id."""
    return len(text) <= _LONGEST_ID and _ID.fullmatch(text) is not None


def submit_path(data: Object) -> str:
    """Find the path that takes a job: the endpoint's id, else the POST beside which there is a
    result, else the only one; empty if there is none.
    """
    paths = data.get("paths")
    items = paths if is_object(paths) else {}
    found = [path for path in items if is_object(_item(data, path).get("post"))]
    by_id = [path for path in found if path.strip("/") == _named(data).strip("/")]
    with_result = [path for path in found if path.rstrip("/") + RESULT in items]
    return next(iter(by_id or with_result or (found if len(found) == 1 else ())), "")


def input_of(data: Object) -> JSON:
    """Find the input's schema through the paths: a name that ends in `Input` proves nothing."""
    operation = _item(data, submit_path(data)).get("post")
    return _schema(data, dig(operation, "requestBody"))


def output_of(data: Object) -> JSON:
    """Find the result's schema: the GET of `…/requests/{request_id}`."""
    paths = data.get("paths")
    for path in paths if is_object(paths) else ():
        if path.rstrip("/").endswith(RESULT):
            replies = dig(_item(data, path).get("get"), "responses")
            known = replies if is_object(replies) else {}
            return _schema(data, next((known[code] for code in _SUCCESS if code in known), None))
    return None


def _named(data: Object) -> str:
    named = dig(data, "info", "x-fal-metadata", "endpointId")
    return named if isinstance(named, str) else ""


def _item(data: Object, path: str) -> Object:
    return _followed(data, dig(data, "paths", path))


def _schema(data: Object, node: JSON) -> JSON:
    """Return the schema of a request's or a reply's JSON; None where it is of another type."""
    content = _followed(data, node).get("content")
    for kind, body in content.items() if is_object(content) else ():
        if _JSON_TYPE.match(kind):
            return dig(body, "schema")
    return None


def _followed(data: Object, node: JSON) -> Object:
    """Follow the references of what isn't a schema, a few of them."""
    for _ in range(8):
        ref = node.get("$ref") if is_object(node) else None
        if not isinstance(ref, str):
            break
        node = follow_ref(data, ref)
    return node if is_object(node) else {}
