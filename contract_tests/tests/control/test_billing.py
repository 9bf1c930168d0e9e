"""Billing by the control API: what fal would have charged."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from serving import I2V_FAST, PROMPT, T2V, Mock, Serve

IMAGE = {**PROMPT, "image_url": "https://example.com/a.png"}


def billing(mock: Mock, **query: Any) -> dict[str, Any]:
    reply = mock.http.get("/__falkit/billing", params=query)
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = reply.json()
    return told


def test_successful_jobs_are_charged_by_endpoint_and_key(mock: Mock) -> None:
    other = {"authorization": "Key other:x"}
    mock.run(PROMPT)
    mock.submit(IMAGE, I2V_FAST, headers=other)
    mock.run({}, headers=other)
    told = billing(mock)
    assert (told["currency"], told["jobs"], told["billed"], told["unpriced"]) == ("USD", 3, 2, 0)
    costs = {line["endpoint_id"]: Decimal(line["cost"]) for line in told["endpoints"]}
    assert costs[T2V] == Decimal("0.36")
    assert Decimal(told["cost"]) == sum(costs.values())
    assert [(line["key"], line["jobs"]) for line in told["keys"]] == [("id", 1), ("other", 2)]
    assert "records" not in told


def test_each_job_is_listed_with_records_true(mock: Mock) -> None:
    job = mock.submit()
    mock.run({})
    paid, refused = billing(mock, records=True)["records"]
    assert paid == {
        "request_id": job["request_id"],
        "endpoint_id": T2V,
        "key": "id",
        "result": "success",
        "quantity": "6",
        "unit": "second",
        "cost": "0.36",
    }
    assert (refused["result"], refused["cost"]) == ("user_error", None)


def test_what_has_no_known_price_is_in_no_sum(mock: Mock) -> None:
    """A picture's units aren't known as fal counts them, but its price is; a transcript's isn't."""
    mock.run({**PROMPT, "resolution": "2K", "num_images": 2}, "fal-ai/nano-banana-2")
    mock.run({"audio_url": "https://example.com/a.mp3"}, "fal-ai/whisper")
    told = billing(mock, records=True)
    assert (told["jobs"], told["billed"], told["unpriced"], told["cost"]) == (2, 1, 1, "0.24")
    picture, transcript = told["records"]
    assert (picture["quantity"], picture["unit"], picture["cost"]) == ("2", "image", "0.24")
    assert (transcript["result"], transcript["cost"]) == ("success", None)


UNITS = "x-fal-billable-units"
AFTER_RUN = ["content_policy_violation", "no_media_generated", "face_detection_error"]
FREE = [
    "image_load_error",
    "file_download_error",
    "input_value_error",
    "downstream_service_error",
    "internal_server_error",
    "generation_timeout",
    "runner_disconnected",
    "client_cancelled",
]


def test_what_a_model_refuses_after_its_run_is_billed_and_nothing_else(serve: Serve) -> None:
    mock = serve()
    jobs: dict[str, str] = {}
    for fault in (*AFTER_RUN, *FREE):
        header = {"x-falkit-fault": fault}
        reply = mock.run(PROMPT, headers=header)
        assert reply.headers.get(UNITS, "0") == ("6" if fault in AFTER_RUN else "0")
        job = mock.submit(headers=header)
        assert mock.result(job).headers.get(UNITS, "0") == reply.headers.get(UNITS, "0")
        jobs[job["request_id"]] = fault
    wrong = mock.run({**PROMPT, "duration": 7}, headers={"x-falkit-fault": AFTER_RUN[0]})
    assert (wrong.status_code, wrong.headers[UNITS]) == (422, "0")
    told = billing(mock, records=True)
    assert (told["billed"], told["unpriced"]) == (2 * len(AFTER_RUN), 0)
    for record in told["records"]:
        billed = jobs.get(record["request_id"]) in AFTER_RUN
        if billed or record["request_id"] in jobs:
            charge = ("6", "second", "0.36") if billed else (None, None, None)
            assert (record["quantity"], record["unit"], record["cost"]) == charge
        assert record["result"] != "success"


def test_refusals_after_a_run_may_be_free(serve: Serve) -> None:
    mock = serve(assumptions=["refused-after-run=free"])
    for fault in AFTER_RUN:
        reply = mock.run(PROMPT, headers={"x-falkit-fault": fault})
        assert (reply.status_code, reply.headers[UNITS]) == (422, "0")
    assert billing(mock)["billed"] == 0


def test_billing_is_filtered_by_endpoint_and_key(mock: Mock) -> None:
    mock.run(PROMPT)
    mock.run(IMAGE, I2V_FAST, headers={"authorization": "Key other:x"})
    assert billing(mock, endpoint="*/text-to-video")["cost"] == "0.36"
    assert [line["endpoint_id"] for line in billing(mock, key="other")["endpoints"]] == [I2V_FAST]


def test_a_job_costs_nothing_until_it_ends(manual: Mock) -> None:
    manual.submit()
    assert billing(manual)["cost"] == "0"
    manual.advance(30)
    assert billing(manual)["cost"] == "0.36"
