"""Billing by the control API: what fal would have charged."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from serving import I2V_FAST, PROMPT, T2V, Mock

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
