"""The control API's document: valid, complete, and served."""

from __future__ import annotations

from typing import Any

from openapi_spec_validator import validate

from falkit import create_app
from falkit_mock.control import document
from falkit_mock.control.routes import METHODS, control_router, operations
from serving import Mock


def test_the_document_is_valid_openapi() -> None:
    validate(document())


def test_every_operation_of_the_document_is_there_and_no_other() -> None:
    app = create_app()
    beside = (app.request_log, app.event_log, lambda: None, app, lambda: None)
    router = control_router(app.service, app.catalog, *beside)
    documented = [
        item[method]["operationId"]
        for item in document()["paths"].values()
        for method in METHODS
        if method in item
    ]
    assert sorted(router.operations) == sorted(documented)


def test_every_operation_has_an_id_of_its_own_a_summary_and_a_tag() -> None:
    known = {tag["name"] for tag in document()["tags"]}
    found = [item[m] for item in document()["paths"].values() for m in METHODS if m in item]
    assert len({operation["operationId"] for operation in found}) == len(found)
    for operation in found:
        assert operation["summary"].endswith(".")
        assert set(operation["tags"]) <= known
        # Whoever has no token, and every web page, is refused by all of them alike.
        assert {"401", "403"} <= set(operation["responses"])


def test_every_component_is_used() -> None:
    text = str(document())
    unused = [
        f"{kind}/{name}"
        for kind in ("parameters", "responses", "headers", "schemas")
        for name in document()["components"][kind]
        if f"'#/components/{kind}/{name}'" not in text
    ]
    assert not unused


def test_the_document_and_the_index_are_served(mock: Mock) -> None:
    served: dict[str, Any] = mock.http.get("/__falkit/openapi.json").json()
    assert served == document()
    for root in ("/__falkit", "/__falkit/"):
        reply = mock.http.get(root)
        assert reply.json() == {"operations": operations()}
        assert reply.headers["x-fal-request-id"]


def test_health_has_the_settings_and_no_secret(mock: Mock) -> None:
    told = mock.http.get("/__falkit/health").json()
    assert (told["status"], told["settings"]["runners"]) == ("ok", 2)
    assert told["settings"]["timing"] == {"queue": 0.0, "run": 0.0, "progression": "clock"}
    assert (told["settings"]["api_keys"], told["settings"]["control_token"]) == (0, False)
    assert told["seed"] == mock.service.identity.seed


def test_another_method_is_405_and_another_path_404(mock: Mock) -> None:
    reply = mock.http.delete("/__falkit/clock")
    assert (reply.status_code, reply.json()) == (405, {"detail": "Method Not Allowed"})
    reply = mock.http.get("/__falkit/clocks")
    assert (reply.status_code, reply.json()) == (404, {"detail": "Not Found"})
    allowed = mock.http.post("/__falkit/seed").headers["allow"]
    assert set(allowed.split(", ")) == {"GET", "HEAD", "PUT"}
