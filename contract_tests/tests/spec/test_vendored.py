"""What comes with falkit: facts, in our own words, with their sources, made by a script."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

import falkit_spec
from falkit_spec import JSON, Catalog, Document, Object
from falkit_spec.origin import Origin, origin
from falkit_spec.overlay import PARSED
from falkit_spec.types import is_array, is_object

REPO = Path(__file__).parents[3]
ROOT = Path(falkit_spec.__file__).parent / "openapi"
SOURCES = tomllib.loads((ROOT / "sources.toml").read_text(encoding="utf-8"))
EVERY = list(Catalog.vendored())
EXAMPLES = ("https://example.com/", "https://storage.googleapis.com/falserverless/")


def script(name: str) -> ModuleType:
    spec = spec_from_file_location(name, REPO / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build_catalogue = script("build_catalogue")


def test_no_document_has_changed() -> None:
    held = {
        path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in ROOT.rglob("*.json")
    }
    listed = {
        f"{date}/{name}.json": digest
        for date, about in SOURCES.items()
        for name, digest in about["documents"].items()
    }
    assert held == listed


def test_a_document_is_where_its_date_and_id_say() -> None:
    for as_of in SOURCES:
        for endpoint in Catalog.vendored(as_of):
            metadata = endpoint.document.data["info"]
            assert isinstance(metadata, dict)
            assert metadata["title"] == f"Queue OpenAPI for {endpoint.id}"
            file = ROOT / endpoint.document.date / f"{endpoint.id}.json"
            assert endpoint.document.raw == file.read_bytes()


def test_each_has_a_date_a_source_and_a_certainty() -> None:
    told = {endpoint.id: origin(endpoint.document) for endpoint in EVERY}
    at = "https://fal.ai/api/openapi/queue/openapi.json?endpoint_id=fal-ai/flux/dev"
    assert told["fal-ai/flux/dev"] == Origin("2026-05", at, "confirmed")
    inferred = {name for name, one in told.items() if one and one.certainty == "inferred"}
    assert None not in told.values()
    assert inferred == {name for name in told if name.startswith("lightricks/ltx-2.5/")}


def test_a_users_own_document_has_none() -> None:
    own = Document(b"{}", source="mine/2026-05/a.json", endpoint_id="a/b", date="2026-05")
    assert origin(own) is None


def test_the_families_that_are_to_be_known_are_there() -> None:
    families = ("fal-ai/ltx-2/", "fal-ai/ltx-2.3/", "lightricks/ltx-2.5/")
    counts = [sum(one.id.startswith(family) for one in EVERY) for family in families]
    assert counts == [7, 7, 6]


def said(node: JSON, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text in a document with the nearest key above it."""
    if isinstance(node, str):
        yield key, node
    for name, value in node.items() if is_object(node) else ():
        yield from said(value, name)
    for value in node if is_array(node) else ():
        yield from said(value, key)


@pytest.mark.parametrize("endpoint", EVERY, ids=lambda endpoint: endpoint.id)
def test_a_document_has_no_prose_but_ours(endpoint: falkit_spec.Endpoint) -> None:
    # Those of LTX-2 were written by hand, also in our own words.
    by_hand = endpoint.id.startswith(build_catalogue.BY_HAND)
    words = {*build_catalogue.OWN["words"].values(), build_catalogue.PROMPT, build_catalogue.SPEECH}
    components = endpoint.document.data["components"]
    assert is_object(components)
    schemas = components["schemas"]
    assert is_object(schemas)
    model = Catalog.vendored().get("fal-ai/ltx-2/image-to-video").document.data
    words |= {text for key, text in said(model) if key == "description"}
    for key, text in said(schemas):
        if key == "description" or (key == "examples" and " " in text):
            assert len(text) <= 150
            assert by_hand or text in words
        if re.match(r"https?:", text) and key != "default":
            assert text.startswith(EXAMPLES)


@pytest.mark.parametrize("endpoint", EVERY, ids=lambda endpoint: endpoint.id)
def test_its_examples_are_valid(endpoint: falkit_spec.Endpoint) -> None:
    assert endpoint.validate(endpoint.example_input()) == []
    assert endpoint.validate_output(endpoint.example_output()) == []


@pytest.mark.parametrize("endpoint", EVERY, ids=lambda endpoint: endpoint.id)
def test_nothing_costs_nothing(endpoint: falkit_spec.Endpoint) -> None:
    for price in (endpoint.price({}), endpoint.price(endpoint.example_input())):
        assert price is None or price > 0
    if endpoint.pricing is not None:
        assert endpoint.pricing.rate(endpoint.defaults)


COSTS: list[tuple[str, Object, str | None]] = [
    ("fal-ai/flux/dev", {}, "0.025"),
    ("fal-ai/flux/dev", {"image_size": "square_hd", "num_images": 4}, "0.1"),
    # 2.0 and a little more is three; 1920x1080 is 1.98.
    ("fal-ai/flux/dev", {"image_size": {"width": 1920, "height": 1080}}, "0.05"),
    ("fal-ai/flux/dev", {"image_size": {"width": 2048, "height": 1025}}, "0.075"),
    ("fal-ai/flux/dev", {"image_size": {"width": 2048}}, None),
    ("fal-ai/flux-2-pro", {"image_size": "square"}, "0.03"),
    ("fal-ai/flux-2-pro", {"image_size": {"width": 1920, "height": 1080}}, "0.045"),
    ("fal-ai/flux-2/edit", {"image_urls": ["https://example.com/a.png"]}, None),
    ("fal-ai/nano-banana-pro", {"resolution": "4K", "num_images": 2}, "0.6"),
    ("fal-ai/nano-banana-pro", {"enable_web_search": True}, "0.165"),
    ("fal-ai/z-image/turbo", {"enable_prompt_expansion": True}, None),
    ("fal-ai/bytedance/seedream/v4.5/text-to-image", {"num_images": 3}, "0.12"),
    ("fal-ai/bytedance/seedream/v4.5/text-to-image", {"max_images": 2}, None),
    ("fal-ai/kling-video/v2.6/pro/text-to-video", {"duration": "10"}, "1.4"),
    ("fal-ai/kling-video/v2.6/pro/text-to-video", {"generate_audio": False}, "0.35"),
    ("fal-ai/kling-video/v2.6/pro/image-to-video", {"voice_ids": ["x"]}, None),
    ("fal-ai/pixverse/v5.5/text-to-video", {}, "0.2"),
    (
        "fal-ai/pixverse/v5.5/text-to-video",
        {"duration": "10", "resolution": "540p", "generate_audio_switch": True},
        "0.44",
    ),
    ("fal-ai/pixverse/v6/image-to-video", {"duration": 8, "resolution": "1080p"}, "0.72"),
    ("fal-ai/veo3.1", {"duration": "4s"}, "1.6"),
    ("fal-ai/veo3.1", {"resolution": "4k", "generate_audio": False}, "3.2"),
    ("fal-ai/wan/v2.2-a14b/image-to-video", {"num_frames": 80, "resolution": "480p"}, "0.2"),
    (
        "fal-ai/ltx-2-19b/distilled/image-to-video",
        {"video_size": {"width": 1280, "height": 720}},
        "0.0896",
    ),
    ("fal-ai/ltx-2-19b/distilled/image-to-video", {}, None),
    ("fal-ai/ltx-2.3/text-to-video", {"resolution": "2160p", "duration": 10}, "3.2"),
    ("lightricks/ltx-2.5/text-to-video/fast", {}, None),
    ("lightricks/ltx-2.5/text-to-video/fast", {"duration": 20, "resolution": "720p"}, "1.8"),
    ("fal-ai/trellis-2", {"resolution": 1536}, "0.35"),
    ("fal-ai/elevenlabs/tts/eleven-v3", {"text": "x" * 250}, "0.025"),
    ("fal-ai/workflow-utilities/trim-video", {}, None),
    ("fal-ai/whisper", {}, None),
    ("openrouter/router", {"prompt": "x"}, None),
]


@pytest.mark.parametrize(("endpoint_id", "input", "dollars"), COSTS)
def test_it_costs_what_fals_pages_say(endpoint_id: str, input: Object, dollars: str | None) -> None:
    price = Catalog.vendored().get(endpoint_id).price(input)
    assert price == (None if dollars is None else Decimal(dollars))


def test_a_sound_is_billed_in_cents() -> None:
    """A recorded bill: 3.28 seconds were 42.64 units of a cent."""
    pricing = Catalog.vendored().get("lightricks/ltx-2.5/audio-to-video/fast").pricing
    assert pricing is not None
    units = pricing.units({}, {"audio_url": 3.28})
    assert units == Decimal("42.64")
    assert pricing.cost(units, {}) == Decimal("0.4264")


def test_the_page_lists_them_all() -> None:
    text = (REPO / "docs" / "catalogue.md").read_text(encoding="utf-8")
    assert text == build_catalogue.page()
    assert "| unknown |" in text
    assert "$0 " not in text


def test_the_script_changes_nothing_without_fals_documents() -> None:
    for path, raw in build_catalogue.build(None).items():
        assert path.read_bytes() == raw, path
    assert (ROOT / "sources.toml").read_text(encoding="utf-8") == build_catalogue.sources()


def test_the_script_makes_the_documents_from_fals() -> None:
    if not (docs := os.environ.get("DOCS")):
        pytest.skip("DOCS names no folder with fal's documents")
    made = build_catalogue.build(Path(docs))
    by_hand = {path for path in ROOT.rglob("*.json") if "fal-ai/ltx-2/" in path.as_posix()}
    assert {*made} == {*ROOT.rglob("*.json")} - by_hand
    assert all(path.read_bytes() == raw for path, raw in made.items())


def test_what_overlays_say_is_written_down_as_it_is_now() -> None:
    assert script("build_overlays").build() == PARSED.read_bytes(), "run `make overlays`"
