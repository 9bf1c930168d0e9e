"""Which endpoints can be called in another way, and the references in a workflow's steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, strategies as st

from falkit_spec import Catalog
from falkit_spec.cli.spec import spec
from falkit_spec.streams import Stream, Workflow, fill_in, references
from own_documents import EVIDENCE, data_of, overlay, write

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text().filter(lambda text: text[:1] != "$"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_the_vendored_endpoints_that_stream() -> None:
    found = {endpoint.id for endpoint in Catalog.vendored() if endpoint.stream is not None}
    assert found == {
        "fal-ai/flux/dev",
        "fal-ai/flux/schnell",
        "fal-ai/flux-lora",
        "fal-ai/flux-lora/stream",
        "openai/gpt-image-2",
        "fal-ai/speech-to-text/stream",
        "openrouter/router",
    }


def test_a_stream_without_an_output_has_that_of_its_model() -> None:
    output = Catalog.vendored().endpoints["fal-ai/speech-to-text/stream"].output_schema
    assert {*output["properties"]} == {"output", "partial"}  # type: ignore[misc] # it has some


@pytest.mark.parametrize(
    ("path", "id"),
    [
        ("fal-ai/flux/dev", "fal-ai/flux/dev"),
        ("fal-ai/flux/dev/stream", "fal-ai/flux/dev"),
        ("fal-ai/flux-lora/stream", "fal-ai/flux-lora/stream"),
        ("fal-ai/flux-lora/stream/stream", None),
        ("fal-ai/flux/dev/realtime", None),
        ("fal-ai/ltx-2/text-to-video/stream", None),
        ("stream", None),
        ("", None),
    ],
)
def test_what_is_called_at_a_path(path: str, id: str | None) -> None:
    found = Catalog.vendored().at(path)
    assert (found and found.id) == id


@given(VALUES, VALUES)
def test_references_are_what_is_filled_in(value: Any, known: Any) -> None:
    assert fill_in(value, {"a": known}) == value
    assert references(value) == set()
    written: Any = {"x": ["$a", {"y": "$a.b.0"}, value]}
    filled: Any = fill_in(written, {"a": {"b": [known]}})
    assert filled == {"x": [{"b": [known]}, {"y": known}, value]}
    assert references(written) == {"a"}


@pytest.mark.parametrize(
    "lost", ["$a.c", "$a.b.7", "$a.b.x", "$b", "$a.b.0.0.0", "$a.b.-1", "$a.b.²"]
)
def test_a_reference_that_leads_nowhere_is_null(lost: str) -> None:
    assert fill_in(lost, {"a": {"b": ["text"]}}) is None


@pytest.mark.parametrize("text", ["$", "$a b", "costs $5", "$a.", "$.b", "$$a", "$a..b"])
def test_what_is_no_reference_stays(text: str) -> None:
    assert fill_in(text, {"a": 1}) == text


def test_steps_come_behind_what_they_need() -> None:
    nodes: dict[str, Any] = {
        "c": {"app": "acme/c", "depends": ["b"]},
        "b": {"app": "acme/b", "input": {"x": ["$a.y"]}},
        "a": {"app": "acme/a", "input": {"x": "$input.y"}},
    }
    workflow = Workflow.from_facts({"nodes": nodes, **EVIDENCE}, "x")
    assert [node.id for node in workflow.nodes] == ["a", "b", "c"]
    assert Stream.from_facts({"text": "new", **EVIDENCE}, "x") == Stream("new")


def test_show_names_each_way(tmp_path: Path) -> None:
    id = "workflows/acme/two"
    write(tmp_path / "two.json", data_of(id))
    nodes = {"one": {"app": "acme/one"}, "two": {"app": "acme/two", "depends": ["one"]}}
    facts = {"workflow": {"nodes": nodes, **EVIDENCE}, "realtime": EVIDENCE}
    write(tmp_path / "two.yaml", overlay(id, facts))
    shown = CliRunner().invoke(spec, ["show", id, "--documents", str(tmp_path)]).stdout
    assert f"\nstream: POST https://fal.run/{id}/stream\n" in shown
    assert f"\nrealtime: wss://fal.run/{id}/realtime\n" in shown
    assert "\nworkflow: acme/one -> acme/two\n" in shown
