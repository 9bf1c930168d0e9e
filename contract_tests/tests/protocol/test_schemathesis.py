"""Schemathesis makes requests of the protocol's document and holds the mock's replies to it.

Two of its checks don't fit all of it. The queue takes any body, and headers that the mock takes
no notice of may hold anything, so what breaks the document must be refused only in the body of a
direct call. And what a schema allows may be refused all the same, for a rule between fields or
an image that can't be had.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi import checks

from falkit import Settings
from falkit_spec import Catalog, Endpoint
from falkit_spec.protocol import Protocol
from serving import Mock, running

Test = Callable[[Any, Mock], None]
CATALOG = Catalog.vendored()
LTX_2 = [endpoint for endpoint in CATALOG if endpoint.app == "fal-ai/ltx-2"]
FAST = CATALOG.get("fal-ai/ltx-2/image-to-video/fast")
AUTHORIZED = {"Authorization": "Key id:secret"}
# Schemathesis's types are more generic than it says, hence Any here and there.
CHECKS: Any = checks
UNFIT = [CHECKS.negative_data_rejection, CHECKS.positive_data_acceptance]
# The same requests in every run; what nobody thought of is looked for by the state machine.
BOUNDED = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.fixture(scope="module")
def mock() -> Generator[Mock]:
    keys = frozenset({"id:secret"})
    with running(Settings(timing="polls", api_keys=keys)) as served:
        yield served


def loaded(document: dict[str, Any]) -> Any:
    return from_dict(document)


def document(endpoint: Endpoint) -> dict[str, Any]:
    return dict(Protocol.vendored().for_endpoint(endpoint))


def queue_alone() -> dict[str, Any]:
    """Return what a client does with the queue, without the optional headers."""
    whole = document(FAST)
    submit, queue = f"/queue.fal.run/{FAST.id}", f"/queue.fal.run/{FAST.app}/"
    whole["paths"] = {path: item for path, item in whole["paths"].items() if path.startswith(queue)}
    del whole["paths"][submit]["post"]["parameters"]
    for item in whole["paths"].values():
        item.pop("head", None)
    return whole


def direct_call(endpoint: Endpoint) -> dict[str, Any]:
    """Return the document of a direct call alone, without the optional headers."""
    whole = document(endpoint)
    path = f"/fal.run/{endpoint.id}"
    del whole["paths"][path]["post"]["parameters"]
    return {**whole, "paths": {path: whole["paths"][path]}}


each_operation: Callable[[Test], Test] = loaded(document(FAST)).parametrize()


@each_operation
@BOUNDED
def test_each_operation_answers_as_documented(case: Any, mock: Mock) -> None:
    # Uploads go to the media host as well, by methods that its files don't have.
    uploads = [CHECKS.unsupported_method] if "fal.media" in case.operation.path else []
    case.call_and_validate(
        base_url=mock.url, headers=AUTHORIZED, excluded_checks=[*UNFIT, *uploads]
    )


@pytest.mark.parametrize("endpoint", LTX_2, ids=lambda endpoint: endpoint.id)
def test_a_body_that_breaks_the_document_is_refused(endpoint: Endpoint, mock: Mock) -> None:
    operation = loaded(direct_call(endpoint))[f"/fal.run/{endpoint.id}"]["POST"]

    @BOUNDED
    @given(case=operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def refused(case: Any) -> None:
        case.call_and_validate(base_url=mock.url, headers=AUTHORIZED)

    refused()


@pytest.mark.parametrize(
    "path", ["fal-ai/flux/dev/stream", "fal-ai/flux-lora/stream", "openrouter/router/stream"]
)
def test_a_stream_answers_as_documented(path: str, mock: Mock) -> None:
    endpoint = CATALOG.at(path)
    assert endpoint is not None
    operation = loaded(document(endpoint))[f"/fal.run/{path}"]["POST"]

    @BOUNDED
    @given(case=operation.as_strategy())
    def answered(case: Any) -> None:
        case.call_and_validate(base_url=mock.url, headers=AUTHORIZED, excluded_checks=UNFIT)

    answered()


def test_requests_made_of_earlier_replies_answer_as_documented(mock: Mock) -> None:
    """Schemathesis follows the links from a submission to status, stream, result and cancel."""
    answered: set[tuple[str, int]] = set()

    def address(self: object, case: object) -> dict[str, Any]:
        return {"base_url": mock.url, "headers": AUTHORIZED}

    def judge(
        self: object, response: Any, case: Any, _checks: object = None, **kwargs: Any
    ) -> None:
        answered.add((case.operation.path.rpartition("/")[2], response.status_code))
        case.validate_response(response, excluded_checks=UNFIT, transport_kwargs=kwargs)

    machine: Any = loaded(queue_alone()).as_state_machine()
    machine.get_call_kwargs = address
    machine.validate_response = judge
    machine.run(settings=settings(BOUNDED, max_examples=10, stateful_step_count=8))
    assert answered >= {
        ("status", 202),
        ("status", 200),
        ("stream", 200),
        ("{request_id}", 400),
        ("{request_id}", 499),
        ("{request_id}", 422),
        ("cancel", 202),
        ("cancel", 400),
    }
