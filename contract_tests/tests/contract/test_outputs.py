"""Outputs of any document: valid, with files of the mock's own that are what the input asks for."""

from __future__ import annotations

import json
from time import process_time

import pytest

from examining import Examined, dated, files_in, served
from fal_documents import OWN, endpoints_in
from falkit_mock.core.identity import Identity
from falkit_mock.core.jobs import ParsedRequest
from falkit_mock.outputs import output_of
from falkit_spec import Catalog, Document, Endpoint, Object
from nights import NIGHTLY
from typed_documents import TYPES, typed_endpoints

OURS = endpoints_in(OWN)
PARTS = 4


def test_the_outputs_of_our_documents_are_what_is_asked_for() -> None:
    found = Examined()
    served(OURS.values(), found, 3, both=False)
    assert found.wrong == []
    assert len(found.formats) >= 8, found.formats


def test_the_outputs_of_the_shipped_documents_are_what_is_asked_for() -> None:
    found, shipped = Examined(), Catalog.vendored()
    served([*shipped][::4], found, 2, both=False, catalog=shipped)
    assert found.wrong == [], "\n".join(found.wrong)


def test_the_outputs_of_the_models_that_fals_client_knows_are_what_is_asked_for() -> None:
    if not TYPES.is_dir():
        pytest.skip("fal's client for JavaScript isn't installed: make test does it")
    found, nightly = Examined(), NIGHTLY
    known = [*typed_endpoints()]
    assert len(known) > 1000
    served(known[:: 3 if nightly else 60], found, 3 if nightly else 1, both=False)
    assert found.wrong == [], "\n".join(found.wrong)
    for endpoint in known[:: 1 if nightly else 4]:
        input = endpoint.with_defaults(endpoint.example_input())
        parsed = ParsedRequest(endpoint, input, "", (), None, None, None)
        output = output_of(parsed, "id", Identity(1), "http://127.0.0.1").output
        assert endpoint.validate_output(output) == [], endpoint.id
        for url, _ in files_in(output):
            assert url.startswith("http://127.0.0.1/") or url in str(input), (endpoint.id, url)


@pytest.mark.parametrize("part", range(PARTS))
def test_the_outputs_of_fals_documents_are_what_is_asked_for(
    part: int, fal_documents: dict[str, Endpoint], capsys: pytest.CaptureFixture[str]
) -> None:
    # Of an id in two dates' folders each document is one of its own.
    for date, some in dated(fal_documents).items():
        found = Examined()
        served(some[part::PARTS], found, 4, both=True)
        with capsys.disabled():
            print(f"\n{date}, part {part + 1} of {PARTS}: {found.table()}")
        assert found.wrong == [], "\n".join(found.wrong)


@pytest.mark.parametrize(
    "field", [{"$ref": "#/components/schemas/Made"}, {"type": "array", "items": {"type": "string"}}]
)
def test_a_wide_document_is_planned_in_no_time(field: Object) -> None:
    made: Object = {"type": "object", "properties": {f"f{n}": field for n in range(3000)}}
    content: Object = {"content": {"application/json": {"schema": made}}}
    data: Object = {
        "components": {"schemas": {"Made": made}},
        "paths": {
            "/acme/wide": {"post": {"requestBody": content}},
            "/acme/wide/requests/{request_id}": {"get": {"responses": {"200": content}}},
        },
    }
    endpoint = Endpoint(Document(json.dumps(data).encode(), source="wide.json"))
    parsed = ParsedRequest(endpoint, {}, "", (), None, None, None)
    endpoint.example_output()
    began = process_time()
    output = output_of(parsed, "id", Identity(1), "http://127.0.0.1").output
    assert process_time() - began < 1.0
    assert endpoint.is_valid_output(output)
