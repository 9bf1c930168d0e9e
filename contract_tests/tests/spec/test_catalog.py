from __future__ import annotations

import json

import pytest

from falkit_spec import BadDocument, Catalog, Document, Endpoint, UnknownDate, UnknownEndpoint
from falkit_spec.catalog import dropped_inputs

FAST, PRO = "fal-ai/ltx-2/image-to-video/fast", "fal-ai/ltx-2/image-to-video"


def document(endpoint_id: str) -> Document:
    data = {"info": {"x-fal-metadata": {"endpointId": endpoint_id}}}
    return Document(json.dumps(data).encode(), source=endpoint_id)


def test_vendored_catalog_is_one_per_process_and_date() -> None:
    assert Catalog.vendored() is Catalog.vendored() is Catalog.vendored("2026-12")
    assert Catalog.vendored("2026-01") is Catalog.vendored("2026-03")
    assert len(Catalog.vendored("2026-05")) == 63
    assert len(Catalog.vendored()) == 69


@pytest.mark.parametrize(
    ("as_of", "date"),
    [
        (None, "2026-05"),
        ("2026-01", "2026-01"),
        ("2026-04", "2026-01"),
        ("2026-05", "2026-05"),
        ("2026-04-30", "2026-01"),
        ("2026-05-01", "2026-05"),
        ("2031-12", "2026-05"),
    ],
)
def test_the_newest_document_that_is_not_later_counts(as_of: str | None, date: str) -> None:
    endpoint = Catalog.vendored(as_of).get(FAST)
    assert endpoint.document.date == date
    assert ("aspect_ratio" in endpoint.defaults) is (date == "2026-01")


@pytest.mark.parametrize(
    ("as_of", "why"),
    [
        ("2025-12", "'2025-12' is before the first documents"),
        ("2026-00", "'2026-00' isn't a month or a day"),
        ("2026-1", "'2026-1' isn't a month or a day"),
        ("2026-02-30", "'2026-02-30' isn't a month or a day"),
        ("20260128", "'20260128' isn't a month or a day"),
        ("2026-W05", "'2026-W05' isn't a month or a day"),
        ("next month", "'next month' isn't a month or a day"),
        ("", "'' isn't a month or a day"),
    ],
)
def test_what_is_no_date_or_before_the_first_documents_is_refused(as_of: str, why: str) -> None:
    with pytest.raises(UnknownDate) as caught:
        Catalog.vendored(as_of)
    assert why in str(caught.value)
    assert str(caught.value).endswith("; there are documents of 2026-01 and 2026-05 and 2026-10")
    assert caught.value.known == ("2026-01", "2026-05", "2026-10")


def test_an_endpoint_that_came_later_is_unknown_and_says_since_when_it_is() -> None:
    with pytest.raises(UnknownEndpoint, match="is of 2026-05") as caught:
        Catalog.vendored("2026-01").get("fal-ai/ltx-2/extend-video")
    assert caught.value.since == "2026-05"


def test_inputs_that_fal_took_out_are_known_by_their_last_month() -> None:
    assert dropped_inputs(Catalog.vendored().get(FAST)) == {"aspect_ratio": "2026-01"}
    assert dropped_inputs(Catalog.vendored("2026-01").get(FAST)) == {}
    assert dropped_inputs(Endpoint(document(FAST))) == {}


def test_nothing_is_parsed_to_list_the_vendored_endpoints() -> None:
    raw = Document(b"no JSON at all", source="x.json", endpoint_id="a/b")
    assert raw.endpoint_id == "a/b"
    assert repr(raw) == "Document('x.json')"
    assert repr(Endpoint(raw)) == "Endpoint('a/b')"


@pytest.mark.parametrize(
    ("path", "endpoint_id", "rest"),
    [
        (FAST, FAST, ""),
        (f"{FAST}/stream", FAST, "stream"),
        (f"{FAST}/requests/1/status", FAST, "requests/1/status"),
        (f"{FAST}/", FAST, ""),
        (PRO, PRO, ""),
        (f"{PRO}/faster", PRO, "faster"),
        (f"{PRO}/requests/1", PRO, "requests/1"),
    ],
)
def test_the_longest_id_wins(path: str, endpoint_id: str, rest: str) -> None:
    match = Catalog.vendored().find(path)
    assert match is not None
    assert (match.endpoint.id, match.rest) == (endpoint_id, rest)


@pytest.mark.parametrize("path", ["", "fal-ai", "fal-ai/ltx-2", "fal-ai/ltx-2/requests/1", "x/y/z"])
def test_a_path_of_no_endpoint_is_not_found(path: str) -> None:
    assert Catalog.vendored().find(path) is None


def test_an_unknown_id_names_similar_ones() -> None:
    with pytest.raises(UnknownEndpoint, match="did you mean") as caught:
        Catalog.vendored().get("fal-ai/ltx-2/image-to-vidio")
    assert caught.value.endpoint_id == "fal-ai/ltx-2/image-to-vidio"
    assert caught.value.near[0] == PRO


def test_an_id_like_no_other_names_nothing() -> None:
    with pytest.raises(UnknownEndpoint) as caught:
        Catalog.vendored().get("fal-ai/aura-flow")
    assert caught.value.near == ()
    assert str(caught.value) == (
        "falkit has no document for 'fal-ai/aura-flow', which says nothing about fal: it may well "
        "exist there; `falkit spec add fal-ai/aura-flow` fetches its document and says how to use "
        "it (docs/documents.md)"
    )


@pytest.mark.parametrize(
    ("endpoint_id", "added"),
    [
        ("fal-ai/fast-lcm-diffusion/realtime", "fal-ai/fast-lcm-diffusion` fetches the model's"),
        ("acme/chat/stream", "acme/chat` fetches the model's"),
        # There is a document of the model: what isn't there may be one of its own.
        (f"{FAST}/stream", f"{FAST}/stream` fetches its"),
        ("acme/realtime", "acme/realtime` fetches its"),
    ],
)
def test_what_is_added_for_a_stream_or_socket_is_its_model(endpoint_id: str, added: str) -> None:
    unknown = Catalog.vendored().unknown(endpoint_id)
    assert f"`falkit spec add {added} document" in str(unknown)
    assert repr(endpoint_id) in str(unknown)


def test_membership_goes_by_id() -> None:
    assert FAST in Catalog.vendored()
    assert "fal-ai/ltx-2" not in Catalog.vendored()


@pytest.mark.parametrize(
    ("endpoint_id", "app", "alias"),
    [
        (FAST, "fal-ai/ltx-2", "ltx-2"),
        ("workflows/me/my-flow", "workflows/me/my-flow", "my-flow"),
        ("comfy/me/my-flow/image", "comfy/me/my-flow", "my-flow"),
        ("fal-ai/flux.1_x", "fal-ai/flux.1_x", "flux.1_x"),
    ],
)
def test_an_app_is_owner_and_alias_and_a_namespace_before_them(
    endpoint_id: str, app: str, alias: str
) -> None:
    catalog = Catalog.from_documents([document(endpoint_id)])
    [endpoint] = catalog
    assert (endpoint.app, endpoint.alias) == (app, alias)
    assert catalog.has_app(app)
    assert not catalog.has_app(alias)


def test_of_two_documents_with_one_id_the_later_counts() -> None:
    first, second = document("a/b"), document("a/b")
    assert Catalog.from_documents([first, second]).get("a/b").document is second


def test_a_document_that_names_no_endpoint_is_refused() -> None:
    with pytest.raises(BadDocument, match="names no endpoint"):
        Catalog.from_documents([Document(b"{}", source="x.json")])


def test_an_empty_catalog_finds_nothing() -> None:
    assert Catalog.from_documents([]).find("a/b") is None
