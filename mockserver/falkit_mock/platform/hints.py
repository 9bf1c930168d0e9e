"""What a reader of a reply most often overlooks, said in the `x-falkit-hint` header."""

from __future__ import annotations

from difflib import get_close_matches

from falkit_spec import JSON, Endpoint

HINT = "x-falkit-hint"
_LONGEST = 600


def header_text(text: str) -> str:
    """Return a hint as a header can carry it: one line of printable ASCII, not too long."""
    plain = text.replace("…", "...").encode("ascii", "replace").decode()
    plain = "".join(character if character.isprintable() else " " for character in plain)
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 3]}..."


def of_refusal(detail: list[JSON]) -> str | None:
    """Return the mend of a refusal whose own words don't tell it."""
    for item in detail:
        if not isinstance(item, dict):
            continue
        value, loc = item["input"], item["loc"]
        if item["type"] == "model_attributes_type" and isinstance(value, str):
            return (
                "the body was not read as JSON; send it as an object, with the header "
                "Content-Type: application/json"
            )
        if item["type"] != "literal_error" or not isinstance(loc, list):
            continue
        if isinstance(value, str) and value.isdigit():
            return (
                f"{loc[-1]}: the document lists integers, so send {value} without quotes; the "
                "types of @fal-ai/client say strings, and the service refuses those"
            )
    return None


def of_ignored(endpoint: Endpoint, given: dict[str, JSON]) -> str | None:
    """Name the fields that the model ignores because its document doesn't know them."""
    known = endpoint.input_schema.get("properties")
    if not isinstance(known, dict) or known.keys() >= given.keys():
        return None
    words: list[str] = []
    for name in given.keys() - known.keys():
        near = get_close_matches(name, known, n=1)
        words.append(f"{name} (did you mean {near[0]}?)" if near else name)
    return f"ignored, since {endpoint.id} has no such input: {', '.join(sorted(words))}"
