"""Bodies of the hosts that are no models: read as JSON, and refused as FastAPI refuses."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request

from falkit_mock.errors import BadBody
from falkit_mock.hosts.replies import read_body
from falkit_mock.platform.lifecycle import BadLifecycle, Lifecycle
from falkit_mock.platform.wire_json import NotJson, loads
from falkit_spec import JSON

# Names and lists of parts; ten thousand parts take less.
_MOST = 4 * 1024 * 1024
_LIFECYCLE_HEADERS = ("x-fal-object-lifecycle", "x-fal-object-lifecycle-preference")


async def read_object(request: Request) -> dict[str, JSON]:
    """Return a body that must be a JSON object; raise BadBody, also for none at all."""
    body = await read_body(request, _MOST)
    if not body:
        raise BadBody.field("missing", ["body"], "Field required")
    try:
        value = loads(body)
    except NotJson as error:
        raise BadBody.field("json_invalid", ["body"], "JSON decode error", error.message) from None
    if not isinstance(value, dict):
        message = "Input should be a valid dictionary or object to extract fields from"
        raise BadBody.field("model_attributes_type", ["body"], message, value)
    return value


def texts(body: Mapping[str, JSON], *names: str) -> list[str]:
    """Return fields that must be strings; raise BadBody with all that are not."""
    found: list[str] = []
    wrong: list[JSON] = []
    for name in names:
        value = body.get(name)
        if isinstance(value, str):
            found.append(value)
        elif name in body:
            wrong.append(_item("string_type", name, "Input should be a valid string", value))
        else:
            wrong.append(_item("missing", name, "Field required", dict(body)))
    if wrong:
        raise BadBody(wrong)
    return found


def read_lifecycle(request: Request, default: Lifecycle) -> Lifecycle:
    """Return what the headers ask for a file's life; raise BadBody for what can't be read.

    PY sends two spellings, JS the first (wire.md §7).
    """
    for name in _LIFECYCLE_HEADERS:
        if header := request.headers.get(name):
            try:
                return Lifecycle.parse(header, default)
            except BadLifecycle as error:
                loc: list[JSON] = ["header", name]
                message = f"{error.field} {error.mend}"
                raise BadBody.field("value_error", loc, message, error.value) from None
    return default


def _item(kind: str, name: str, message: str, value: JSON) -> dict[str, JSON]:
    return {"type": kind, "loc": ["body", name], "msg": message, "input": value}
