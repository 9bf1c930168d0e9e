"""fal.ai's llms.txt: a model's document in prose."""

from __future__ import annotations

import pytest

from falkit_mock.hosts.site import written
from falkit_spec import Catalog, Document, Endpoint
from falkit_spec.schema import ordered
from serving import I2V_FAST, RETAKE, Mock

IDS = [endpoint.id for endpoint in Catalog.vendored()]


def test_a_model_is_described_from_its_document(mock: Mock) -> None:
    reply = mock.http.get(f"/fal.ai/models/{I2V_FAST}/llms.txt")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    for words in (
        f"`https://queue.fal.run/{I2V_FAST}`",
        "**`duration`** (`integer enum`, _optional_)",
        "`6`, `8`, `10`, `12`, `14`, `16`, `18`, `20`; `6` if it is left out",
        "- 1440p: $0.08 per second",
        "durations above 10 s need 25 fps and 1080p",
        f'fal.subscribe("{I2V_FAST}"',
    ):
        assert words in reply.text


@pytest.mark.parametrize("endpoint", list(Catalog.vendored()), ids=IDS)
def test_the_page_names_every_field(endpoint: Endpoint) -> None:
    page = written(endpoint)
    assert page == written(endpoint)
    for name in ordered(endpoint.input_schema):
        assert f"**`{name}`**" in page


def test_a_single_price_is_listed(mock: Mock) -> None:
    assert "- $0.10 per second" in mock.http.get(f"/fal.ai/models/{RETAKE}/llms.txt").text


def test_a_document_that_says_next_to_nothing_has_a_page() -> None:
    raw = b'{"paths": {"/a/b": {"post": {}}}}'
    (endpoint,) = Catalog.from_documents([Document(raw, source="test")])
    page = written(endpoint)
    assert "# B" in page
    assert "leaves this open" in page
    assert "## Price" not in page


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_pages_are_read_only(mock: Mock, method: str) -> None:
    assert mock.http.request(method, f"/fal.ai/models/{I2V_FAST}/llms.txt").status_code == 405


def test_an_unknown_model_has_no_page(mock: Mock) -> None:
    assert mock.http.get("/fal.ai/models/fal-ai/nothing/llms.txt").status_code == 404
