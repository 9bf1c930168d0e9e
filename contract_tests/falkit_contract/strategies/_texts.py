"""Texts of a schema: by its format where it names one, else any, up to its limits."""

from __future__ import annotations

from hypothesis import strategies as st

from falkit_contract.strategies._schemas import whole
from falkit_spec.types import JSON, Object

_SHORT = 60
"""Most texts are no longer than this: nothing is learnt from thousands of letters."""
_LONGEST = 100_000
_LETTERS = st.characters(exclude_categories=["Cs"])
_WIDE = "😀"
"""One character, though four bytes and two UTF-16 units: it tells how a limit counts."""

urls: st.SearchStrategy[JSON] = st.builds(
    "https://example.com/{}{}".format,
    st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20),
    st.sampled_from(["", ".png", ".mp4", "?a=1&b=2", "#part", "/%20/x"]),
)
_FORMATS: dict[JSON, st.SearchStrategy[JSON]] = {
    "uri": urls,
    "url": urls,
    "uuid": st.uuids().map(str),
    "uuid4": st.uuids(version=4).map(str),
    "date": st.dates().map(str),
    "date-time": st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    "email": st.just("someone@example.com"),
}


def legal(schema: Object) -> st.SearchStrategy[JSON]:
    """Give all texts that a schema allows, the shortest first."""
    least, most = whole(schema, "minLength"), whole(schema, "maxLength", -1)
    if most >= 0 and most < least:
        return st.nothing()
    formed = _FORMATS.get(schema.get("format"))
    if formed is not None and not least and most < 0:
        return formed
    ceiling = least + _SHORT if most < 0 else min(most, least + _SHORT)
    texts: st.SearchStrategy[JSON] = st.text(_LETTERS, min_size=least, max_size=ceiling)
    if ceiling < most <= _LONGEST:
        edge: st.SearchStrategy[JSON] = st.sampled_from(["a" * most, _WIDE * most])
        # Three in four stay short, since long ones make every example slow.
        return st.one_of(texts, texts, texts, edge)
    return texts


def short(schema: Object) -> st.SearchStrategy[JSON]:
    """Give texts that are too short; nothing where none is."""
    least = whole(schema, "minLength")
    if not least:
        return st.nothing()
    if least > 1:
        return st.text(_LETTERS, max_size=min(least - 1, _SHORT)) | st.just("a" * (least - 1))
    return st.just("")


def long(schema: Object) -> st.SearchStrategy[JSON]:
    """Give texts that are too long, by one character first."""
    most = whole(schema, "maxLength", -1)
    if not 0 <= most <= _LONGEST:
        return st.nothing()
    over: list[JSON] = ["a" * (most + 1), _WIDE * (most + 1), "a" * (2 * most + 1)]
    return st.sampled_from(over)
