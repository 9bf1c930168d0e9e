"""Files are found in outputs that are given wherever they are in outputs that are made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import pytest
from hypothesis import given, strategies as st

from falkit_mock.core import dumps
from falkit_mock.core.identity import Identity
from falkit_mock.core.jobs import ModelRequest, ParsedRequest
from falkit_mock.faults import RuleError
from falkit_mock.faults.rules import Rule
from falkit_mock.outputs import output_of
from falkit_mock.outputs.pinned import file_places
from falkit_mock.service.outcomes import read_request
from falkit_mock.service.pins import Pins
from falkit_mock.settings import Settings
from falkit_spec import JSON, Catalog, Endpoint
from falkit_spec.media import Place

BASE = "http://127.0.0.1:4325/v3b.fal.media"


def urls(value: JSON, place: Place = ()) -> Iterator[Place]:
    """Yield the places of the mock's own URLs."""
    if isinstance(value, str) and value.startswith(BASE):
        yield place
    elif isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for step, one in cast("Iterable[tuple[str | int, JSON]]", pairs):
            yield from urls(one, (*place, step))


def check(endpoints: Iterable[Endpoint]) -> int:
    """Hold each endpoint's output of its example; return how many files there were."""
    count = 0
    for endpoint in endpoints:
        input, id = endpoint.example_input(), endpoint.id
        request = ModelRequest(id, id, endpoint, dumps(input), input, "application/json", BASE)
        parsed = read_request(request, Settings())
        assert isinstance(parsed, ParsedRequest), endpoint
        made = output_of(parsed, "019b76da-a801-7f45-b541-2e757feb4391", Identity(1), BASE)
        found = {file.place for file in file_places(endpoint, made.output)}
        assert found == {*urls(made.output)}, endpoint
        count += len(found)
    return count


def test_in_outputs_of_our_documents() -> None:
    assert check(Catalog.vendored()) > 40


def test_in_outputs_of_fals_documents(fal_documents: dict[str, Endpoint]) -> None:
    assert check(fal_documents.values()) > len(fal_documents) / 2


@pytest.mark.parametrize(
    ("output", "places"),
    [
        (
            {"model": "gpt", "text": "a.png", "more": {"deep": [{"url": "a.png"}]}},
            ["more.deep[0].url"],
        ),
        ({"mask_url": "a.png", "urls": ["b.png", ""], "id": "x"}, ["mask_url", "urls[0]"]),
        ({"url": 3, "image": {"url": "", "audio_url": None}}, []),
    ],
)
def test_where_the_document_says_nothing_only_urls_are_files(
    output: JSON, places: list[str]
) -> None:
    endpoint = Catalog.vendored().get("openrouter/router/openai/v1/chat/completions")
    assert [file.shown for file in file_places(endpoint, output)] == places


NAMES = ["images", "url", "width", "video", "content_type", "prompt", "seed", "x"]
WORDS = ["", "none.png", "../..", "/", ".", "\0", "data:,", "http://", "a://b", "\ud800", "x" * 999]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
        | st.fixed_dictionaries({"images": st.lists(inner, max_size=2)})
    ),
    max_leaves=10,
)


@given(VALUES, st.booleans(), st.sampled_from([None, ()]))
def test_whatever_an_output_holds_is_bound_or_refused(
    value: JSON, check: bool, folders: tuple[str, ...] | None
) -> None:
    catalog = Catalog.vendored()
    table: dict[str, JSON] = {"output": value, "endpoint": "fal-ai/flux/*", "check": check}
    try:
        rule = Rule.read(table, folders)
        Pins().check(rule, catalog)
    except RuleError:
        return
    assert isinstance(value, dict)
    assert rule.text().encode("utf-8", "replace")
    assert rule.table()["output"] == value or value != value
