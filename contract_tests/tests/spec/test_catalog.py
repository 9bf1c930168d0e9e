from __future__ import annotations

import json

import pytest

from falkit_spec import BadDocument, Catalog, Document, Endpoint, UnknownEndpoint

FAST, PRO = "fal-ai/ltx-2/image-to-video/fast", "fal-ai/ltx-2/image-to-video"


def document(endpoint_id: str) -> Document:
    data = {"info": {"x-fal-metadata": {"endpointId": endpoint_id}}}
    return Document(json.dumps(data).encode(), source=endpoint_id)


def test_vendored_catalog_is_one_per_process() -> None:
    assert Catalog.vendored() is Catalog.vendored()
    assert len(Catalog.vendored()) == 5


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
        Catalog.vendored().get("zzz")
    assert caught.value.near == ()


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
