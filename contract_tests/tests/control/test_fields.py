"""Every parameter and body field of the document is checked before its operation runs.

The cases come from the document: each field once with each kind of value that its schema rules
out, so that a field without a check, or an operation that reads one unchecked, shows here.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from falkit import Settings
from falkit_mock.control import document
from falkit_mock.control.routes import METHODS
from falkit_spec import JSON
from falkit_spec.schema import follow_ref
from serving import Mock, WatchedClock, running

# One value of each kind in JSON, and numbers beyond every range that the document has.
VALUES: tuple[Any, ...] = (None, True, 1.5, -(2**60), 2**60, 1e300, "\x00?", [], {})
# Text in a query or a header that is no number, no choice and no time; numbers out of range.
TEXTS = ("?", "", "1.5", "-1", "9" * 20, "1e999", "nan", "٣")


@dataclass(frozen=True)
class Case:
    """A request with one field that the document rules out."""

    method: str
    path: str
    name: str
    place: str
    value: Any
    others: dict[str, Any] = field(default_factory=dict[str, Any])

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.place} {self.name}={self.value!r:.20}"


def inlined(node: JSON) -> Any:
    """Return a part of the document with what its references name in their place."""
    if isinstance(node, list):
        return [inlined(item) for item in node]
    if not isinstance(node, dict):
        return node
    if isinstance(ref := node.get("$ref"), str):
        return inlined(follow_ref(document(), ref))
    return {name: inlined(value) for name, value in node.items()}


def documented() -> Iterator[tuple[str, str, list[dict[str, Any]], dict[str, Any] | None]]:
    """Yield each operation's method, path, parameters and the schema of its JSON body."""
    for path, item in document()["paths"].items():
        for method in (method for method in METHODS if method in item):
            operation = item[method]
            parameters = [*item.get("parameters", ()), *operation.get("parameters", ())]
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema")
            yield method.upper(), path, inlined(parameters), inlined(schema)


def accepts_text(schema: dict[str, Any], text: str) -> bool:
    """Whether a query's text can be what its schema takes."""
    kinds = {schema.get("type"), *(part.get("type") for part in schema.get("anyOf", ()))}
    if "string" in kinds and "anyOf" not in schema:
        return "enum" not in schema
    if kinds & {"integer", "number"} and text.removeprefix("-").isascii():
        try:
            number = float(text)
        except ValueError:
            return False
        whole = int(number) if abs(number) < 1e18 and number.is_integer() else number
        value = int(text) if text.removeprefix("-").isdigit() else whole
        return abs(number) < 1e300 and Draft202012Validator(schema).is_valid(value)
    return False


def wrong_parameters() -> Iterator[Case]:
    for method, path, parameters, _ in documented():
        for parameter in parameters:
            if parameter["in"] == "path":
                continue
            for text in TEXTS:
                # A header's value is ASCII, and without spaces around it.
                if parameter["in"] == "header" and not (text and text.isascii()):
                    continue
                if not accepts_text(parameter["schema"], text):
                    yield Case(method, path, parameter["name"], parameter["in"], text)


def wrong_fields() -> Iterator[Case]:
    for method, path, _, schema in documented():
        properties: dict[str, Any] = (schema or {}).get("properties", {})
        needed: dict[str, Any] = {
            "seconds": 1,
            "now": 0,
            "rule": "hang",
            "rules": [],
            "kind": "failed",
            "url": "x",
            "test": "x",
            "command": "x",
            "findings": [],
            "problems": [],
            "requests": {},
            "jobs": {},
            "spend": {},
        }
        for name, below in properties.items():
            required: dict[str, Any] = {
                one: needed[one] for one in (schema or {}).get("required", ())
            }
            for value in VALUES:
                if not Draft202012Validator(below).is_valid(value):
                    yield Case(method, path, name, "body", value, required)


@pytest.fixture(scope="module")
def mock() -> Generator[Mock]:
    with running(Settings(timing="held", seed=1), WatchedClock()) as served:
        yield served


def call(mock: Mock, case: Case) -> tuple[int, str]:
    path = case.path.format(
        request_id="x", rule_id="x", delivery_id="x", number="x", tenant="x", endpoint_id="x"
    )
    body = {**case.others, case.name: case.value} if case.place == "body" else None
    query = {case.name: case.value} if case.place == "query" else None
    headers = {case.name: case.value} if case.place == "header" else None
    reply = mock.http.request(case.method, path, json=body, params=query, headers=headers)
    return reply.status_code, reply.json()["detail"]


@pytest.mark.parametrize("case", [*wrong_parameters()], ids=str)
def test_a_parameter_that_its_schema_rules_out_is_refused_by_name(mock: Mock, case: Case) -> None:
    code, detail = call(mock, case)
    assert code == 422
    assert detail.startswith(f"{case.name}: {case.value!r} is not ")


@pytest.mark.parametrize("case", [*wrong_fields()], ids=str)
def test_a_body_field_that_its_schema_rules_out_is_refused_by_name(mock: Mock, case: Case) -> None:
    code, detail = call(mock, case)
    assert code == 422
    assert detail.startswith(f"{case.name}: ")


def test_cases_are_made_for_every_operation_that_takes_fields() -> None:
    made = {(case.method, case.path) for case in (*wrong_parameters(), *wrong_fields())}
    taking = {
        (method, path)
        for method, path, parameters, schema in documented()
        # Any text will do in some, and no case is made for these.
        if (schema or {}).get("properties")
        or any(one["in"] != "path" and one["schema"] != {"type": "string"} for one in parameters)
    }
    assert taking - made == set()


def test_a_required_field_that_is_missing_is_named(mock: Mock) -> None:
    for method, path, _, schema in documented():
        if required := (schema or {}).get("required", ()):
            reply = mock.http.request(method, path.format(rule_id="x"), json={})
            detail = reply.json()["detail"]
            assert (reply.status_code, detail.startswith(f"{required[0]}: missing; give ")) == (
                422,
                True,
            ), (method, path, detail)


@pytest.mark.parametrize("place", ["query", "body"])
def test_a_field_that_no_operation_has_is_refused_with_those_it_has(mock: Mock, place: str) -> None:
    for method, path, _, schema in documented():
        reads = schema is not None or (method != "GET" and path != "/__falkit/state")
        if place == "query" or reads:
            code, detail = call(mock, Case(method, path, "nothing", place, "x"))
            assert (code, detail.startswith(f"{place}: 'nothing' is not a field here; ")) == (
                422,
                True,
            ), (method, path, detail)


def test_an_unknown_id_in_a_path_is_named(mock: Mock) -> None:
    bodies = {"fail": {"status_code": 500}, "rules": {"rule": "hang"}}
    for method, path, parameters, _ in documented():
        for name in (one["name"] for one in parameters if one["in"] == "path"):
            url = path.replace(f"{{{name}}}", "nobody")
            body = next((made for word, made in bodies.items() if word in path), None)
            sends = body if method in ("PUT", "POST") else None
            reply = mock.http.request(method, url, json=sends)
            assert (reply.status_code, reply.json()["detail"].startswith(f"{name}: 'nobody' ")) == (
                404,
                True,
            ), reply.text


def test_each_field_of_an_operation_has_a_name_of_its_own() -> None:
    for method, path, parameters, schema in documented():
        names = [one["name"] for one in parameters] + [*(schema or {}).get("properties", {})]
        assert len(names) == len(set(names)), (method, path)


@pytest.mark.parametrize(
    ("method", "old", "new"),
    [
        ("GET", "/__falkit/journal", "/__falkit/requests"),
        ("DELETE", "/__falkit/journal", "/__falkit/requests"),
        ("GET", "/__falkit/ledger", "/__falkit/billing"),
        ("POST", "/__falkit/clock/stand", "/__falkit/clock/pause"),
    ],
)
def test_an_old_path_is_refused_with_the_new_one(
    mock: Mock, method: str, old: str, new: str
) -> None:
    reply = mock.http.request(method, old)
    assert (reply.status_code, reply.json()) == (404, {"detail": f"{old} is now called {new}"})


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("/deliveries", "outcome", "status"),
        ("/billing", "lines", "records"),
        ("/billing", "jobs", "records"),
    ],
)
def test_an_old_query_is_refused_with_the_new_one(
    mock: Mock, path: str, old: str, new: str
) -> None:
    reply = mock.http.get(f"/__falkit{path}", params={old: "x"})
    assert (reply.status_code, reply.json()) == (422, {"detail": f"{old}: is now called {new}"})


def test_a_whole_number_may_be_written_as_a_float(mock: Mock) -> None:
    reply = mock.http.put("/__falkit/seed", content=b'{"seed": 7.0}')
    assert reply.json() == {"seed": 7}
    assert mock.http.get("/__falkit/jobs?limit=1e1").status_code == 200


def test_half_a_surrogate_pair_is_kept_as_it_is(mock: Mock) -> None:
    job = mock.submit()
    url = f"/__falkit/jobs/{job['request_id']}/complete"
    assert mock.http.post(url, content=b'{"output": {"text": "\\ud800"}}').status_code == 200
    assert mock.result(job).content == b'{"text":"\\ud800"}'
