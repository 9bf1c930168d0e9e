"""One endpoint's OpenAPI document, as it was published."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

import orjson

from falkit_spec.errors import BadDocument
from falkit_spec.types import JSON, Object, dig, is_object

_EXPECTED = "expected is what https://fal.ai/api/openapi/queue/openapi.json?endpoint_id=<id> serves"
_ID = re.compile(r"[A-Za-z0-9_-][\w.-]*(/[A-Za-z0-9_-][\w.-]*){1,15}", re.ASCII)
_ID_EXPECTED = "expected are two or more names with slashes between, such as fal-ai/flux/dev"
_LONGEST_ID = 256
_BODY = ("content", "application/json", "schema")


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
        named = dig(self._info, "x-fal-metadata", "endpointId")
        found = (named if isinstance(named, str) else submit_path(data)).strip("/")
        if not found:
            raise BadDocument(
                self.source, "names no endpoint: no info.x-fal-metadata.endpointId, no POST path"
            )
        if not is_id(found):
            raise BadDocument(self.source, f"{found[:100]!r} is no endpoint id; {_ID_EXPECTED}")
        self._known_id = found
        return found


def read_object(raw: bytes, source: str) -> Object:
    """Return the JSON object that a document's bytes hold; BadDocument if they hold none."""
    try:
        data: JSON = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadDocument(source, f"not JSON ({error}); {_EXPECTED}") from error
    if not is_object(data):
        raise BadDocument(source, f"JSON, but not an object; {_EXPECTED}")
    return data


def is_id(text: str) -> bool:
    """Tell whether a text can be an endpoint's id."""
    return len(text) <= _LONGEST_ID and _ID.fullmatch(text) is not None


def submit_path(data: Object) -> str:
    """Find the one path that takes a POST: the submit path of a fal document; empty if none."""
    paths = data.get("paths")
    found = paths.items() if is_object(paths) else ()
    return next((path for path, item in found if is_object(dig(item, "post"))), "")


def input_of(data: Object) -> JSON:
    """Find the input's schema through the paths: a name that ends in `Input` proves nothing."""
    return dig(data, "paths", submit_path(data), "post", "requestBody", *_BODY)


def output_of(data: Object) -> JSON:
    """Find the result's schema: the GET of `…/requests/{request_id}`."""
    paths = data.get("paths")
    for path, item in paths.items() if is_object(paths) else ():
        if path.rstrip("/").endswith("/requests/{request_id}"):
            return dig(item, "get", "responses", "200", *_BODY)
    return None
