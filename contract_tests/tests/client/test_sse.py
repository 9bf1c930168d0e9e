"""Server-sent events, however the bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from falkit_client._replies import EventReader


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("data: a\n\n", ["a"]),
        ("data:a\n\n", ["a"]),
        ("data:  a\n\n", [" a"]),
        ("data: a\r\n\r\ndata: b\r\rdata: c\n\n", ["a", "b", "c"]),
        ("data: a\ndata: b\n\n", ["a\nb"]),
        (": comment\n\ndata: a\n\n", ["a"]),
        ("event: x\nid: 1\nretry: 5\ndata: a\n\n", ["a"]),
        ("event: x\n\n", []),
        ("data\n\n", [""]),
        ("data: a\n", []),
        ("data: a\u2028b\x0bc\n\n", ["a\u2028b\x0bc"]),
        ("\ufeffdata: a\n\n", ["a"]),
        ("", []),
    ],
)
def test_events_are_read(text: str, events: list[str]) -> None:
    assert EventReader().feed(text.encode()) == events


@given(
    st.lists(st.text(alphabet="ab: \u2028", max_size=4), max_size=5),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.data(),
)
def test_the_cuts_do_not_matter(data: list[str], end: str, cuts: st.DataObject) -> None:
    text = ("".join(f"data: {item}{end}{end}" for item in data) + f": bye{end}").encode()
    reader, read = EventReader(), list[str]()
    while text:
        size = cuts.draw(st.integers(1, len(text)))
        read += reader.feed(text[:size])
        text = text[size:]
    assert read == data
