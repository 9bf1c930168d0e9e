"""An input as plain JSON: what is checked is then exactly what is sent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

from falkit_spec.types import JSON, Fault, Object


def plain(body: Mapping[str, object]) -> tuple[Object, list[Fault]]:
    """A copy of the input in JSON's own types, and a fault for each value that has none."""
    faults: list[Fault] = []
    value = {str(name): _plain(item, ["body", name], faults) for name, item in body.items()}
    return value, faults


def _plain(value: object, loc: list[str | int], faults: list[Fault]) -> JSON:
    match value:
        case None | bool() | int():
            return value
        case str() if _is_unicode(value):
            return value
        case float() if math.isfinite(value):
            return value
        case Mapping():
            pairs = cast("Mapping[object, object]", value).items()
            return {str(name): _plain(item, [*loc, str(name)], faults) for name, item in pairs}
        case list() | tuple():
            items = cast("list[object]", value)
            return [_plain(item, [*loc, at], faults) for at, item in enumerate(items)]
        case _:
            faults.append(_fault(value, loc))
            return None


def _is_unicode(text: str) -> bool:
    """Whether the text can be sent: half of a surrogate pair cannot."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def _fault(value: object, loc: list[str | int]) -> Fault:
    message = (
        f"Value of type {type(value).__name__} cannot be sent: "
        "give Unicode text, a finite number, true, false, null, a list or an object"
    )
    return {"type": "not_json", "loc": loc, "msg": message, "input": repr(value)}
