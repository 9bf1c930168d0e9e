"""Inputs that a model refuses: any document, and how long others wait meanwhile."""

from __future__ import annotations

import json
from threading import current_thread

import httpx
import pytest

import falkit
from falkit_spec import JSON, Catalog, Document, Endpoint, Fault
from serving import KEY


def _own(**input: JSON) -> Catalog:
    schema: JSON = {"type": "object", "properties": dict(input)} if input else {}
    body: JSON = {"content": {"application/json": {"schema": schema}}}
    data = {"paths": {"/acme/odd": {"post": {"requestBody": body}}}}
    return Catalog([Endpoint(Document(json.dumps(data).encode(), source="odd.json"))])


@pytest.mark.parametrize("body", [[1], "text", None, 5])
def test_a_document_that_says_nothing_of_its_input_takes_objects_alone(body: JSON) -> None:
    with falkit.Mock(catalog=_own()) as mock, httpx.Client(base_url=mock.url) as client:
        reply = client.post("/fal.run/acme/odd", content=json.dumps(body), headers=KEY)
        assert reply.status_code == 422
        [fault] = reply.json()["detail"]
        assert (fault["type"], fault["loc"]) == ("model_attributes_type", ["body"])
        assert client.post("/fal.run/acme/odd", json={}, headers=KEY).status_code == 200


def test_the_first_refusal_of_an_endpoint_is_worded_in_a_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names: list[str] = []

    def worded(endpoint: Endpoint, input: JSON, *, coerce: bool = False) -> list[Fault]:
        names.append(current_thread().name)
        return validate(endpoint, input, coerce=coerce)

    validate = Endpoint.validate
    monkeypatch.setattr(Endpoint, "validate", worded)
    catalog = _own(count={"type": "integer"})
    with falkit.Mock(catalog=catalog) as mock, httpx.Client(base_url=mock.url) as client:
        for _ in range(3):
            reply = client.post("/fal.run/acme/odd", json={"count": "many"}, headers=KEY)
            assert reply.json()["detail"][0]["type"] == "int_parsing"
    # Then its model is built, and the loop's own thread words the others.
    assert names[0] != names[1] == names[2]
