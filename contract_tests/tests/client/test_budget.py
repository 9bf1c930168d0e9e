"""No call goes past the limit, and only what may be billed stays counted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest
import respx

from falkit_client import Budget, Client, errors
from falkit_fixtures.images import sample

FAST = "fal-ai/ltx-2/image-to-video/fast"
INPUT = {"prompt": "A tram in the rain", "image_url": "https://example.com/tram.png"}
VIDEO = {"video": {"url": "https://v3b.fal.media/files/b/0/clip.mp4"}}
BILLED = {"x-fal-billable-units": "6"}
RUN = f"https://fal.run/{FAST}"
SUBMIT = f"https://queue.fal.run/{FAST}"
RESULT = "https://queue.fal.run/fal-ai/ltx-2/requests/r1"

Do = Callable[..., Any]


def figures(budget: Budget) -> tuple[str, str]:
    return f"{budget.spent:.2f}", f"{budget.held:.2f}"


def test_the_cost_of_a_call_is_in_the_result_and_off_the_budget(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    budget = Budget("1.00")
    respx_mock.post(RUN).respond(json=VIDEO, headers=BILLED)
    result = do("run", FAST, INPUT, settings={"budget": budget})
    assert result.cost == Decimal("0.24")
    assert budget.left == Decimal("0.76")
    assert repr(budget) == "Budget(limit=1.00, spent=0.24, held=0.00)"


def test_without_units_the_price_counts_and_the_cost_is_unknown(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    budget = Budget(1)
    respx_mock.post(RUN).respond(json=VIDEO)
    assert do("run", FAST, INPUT, settings={"budget": budget}).cost is None
    assert figures(budget) == ("0.24", "0.00")


@pytest.mark.parametrize("name", ["run", "submit", "subscribe"])
def test_a_call_past_the_limit_is_refused_and_says_how_far(
    do: Do, respx_mock: respx.MockRouter, name: str
) -> None:
    budget = Budget("0.20")
    with pytest.raises(
        errors.BudgetExceeded, match=r"\$0\.24.*\$0\.20 .*\$0\.04 too much"
    ) as caught:
        do(name, FAST, INPUT, settings={"budget": budget})
    assert caught.value.over == Decimal("0.04")
    assert (caught.value.price, caught.value.left) == (Decimal("0.24"), Decimal("0.20"))
    assert not respx_mock.calls
    assert figures(budget) == ("0.00", "0.00")


def test_a_price_that_just_fits_is_let_through(do: Do, respx_mock: respx.MockRouter) -> None:
    respx_mock.post(RUN).respond(json=VIDEO, headers=BILLED)
    budget = Budget(0.24)
    do("run", FAST, INPUT, settings={"budget": budget})
    assert budget.left == 0


def test_an_unknown_price_is_refused_unless_allowed(do: Do, respx_mock: respx.MockRouter) -> None:
    respx_mock.post("https://fal.run/some/model").respond(json={})
    with pytest.raises(errors.PriceUnknown, match="allow_unknown"):
        do("run", "some/model", {}, check=False, settings={"budget": Budget(5)})
    allowed = Budget(5, allow_unknown=True)
    do("run", "some/model", {}, check=False, settings={"budget": allowed})
    assert allowed.left == 5


def test_a_submitted_job_holds_its_price_until_its_result(
    respx_mock: respx.MockRouter,
) -> None:
    respx_mock.post(SUBMIT).respond(json={"request_id": "r1"})
    respx_mock.get(RESULT).mock(
        side_effect=[
            httpx.Response(400, json={"detail": "Request is still in progress"}),
            httpx.Response(200, json=VIDEO, headers={"x-fal-billable-units": "5"}),
        ]
    )
    budget = Budget("0.30")
    with Client("a:b", budget=budget) as client:
        handle = client.submit(FAST, INPUT)
        assert figures(budget) == ("0.00", "0.24")
        with pytest.raises(errors.BudgetExceeded):
            client.submit(FAST, INPUT)
        with pytest.raises(errors.NotReady):
            handle.result()
        assert figures(budget) == ("0.00", "0.24")
        assert handle.result().cost == Decimal("0.20")
        assert figures(budget) == ("0.20", "0.00")


@pytest.mark.parametrize(
    ("answer", "held"),
    [
        (httpx.Response(401, json={"detail": "no"}), "0.00"),
        (httpx.Response(422, json={"detail": []}), "0.00"),
        (httpx.Response(429, json={"detail": "busy"}), "0.00"),
        (httpx.Response(500, json={"detail": "oh"}), "0.00"),
        (httpx.Response(499, json={"detail": "Request cancelled"}), "0.24"),
        (httpx.Response(200, text="nonsense"), "0.24"),
        (httpx.ConnectError("refused"), "0.00"),
        (httpx.ReadTimeout("silence"), "0.24"),
        (RuntimeError("from outside"), "0.24"),
    ],
)
def test_a_failed_run_counts_only_if_it_may_be_billed(
    do: Do, respx_mock: respx.MockRouter, answer: Any, held: str
) -> None:
    respx_mock.post(RUN).mock(side_effect=[answer] * 4)
    budget = Budget(1)
    with pytest.raises((errors.FalkitError, RuntimeError)):
        do("run", FAST, INPUT, settings={"budget": budget})
    assert figures(budget) == ("0.00", held)


@pytest.mark.parametrize(
    ("answer", "counted"),
    [
        (httpx.Response(422, json={"detail": []}), ("0.00", "0.00")),
        (httpx.Response(500, headers={"x-fal-request-id": "r1"}), ("0.00", "0.00")),
        (httpx.Response(404, json={"status": "NOT_FOUND"}), ("0.00", "0.24")),
        (httpx.Response(499, json={"detail": "Request cancelled"}), ("0.00", "0.24")),
        (httpx.Response(499, headers={"x-fal-billable-units": "2"}), ("0.08", "0.00")),
        (httpx.ConnectError("refused"), ("0.00", "0.24")),
    ],
)
def test_a_failed_job_counts_only_if_it_may_be_billed(
    do: Do, respx_mock: respx.MockRouter, answer: Any, counted: tuple[str, str]
) -> None:
    respx_mock.post(SUBMIT).respond(json={"request_id": "r1"})
    respx_mock.get(url__startswith=f"{RESULT}/status").respond(json={"status": "COMPLETED"})
    respx_mock.get(RESULT).mock(side_effect=[answer] * 4)
    budget = Budget(1)
    with pytest.raises(errors.FalkitError):
        do("subscribe", FAST, INPUT, settings={"budget": budget})
    assert figures(budget) == counted


def test_content_that_was_refused_counts_as_fal_bills_it(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    detail = [{"type": "content_policy_violation", "loc": ["body"], "msg": "no"}]
    headers = {"x-fal-billable-units": "0"}
    respx_mock.post(RUN).respond(422, json={"detail": detail}, headers=headers)
    budget = Budget(1)
    with pytest.raises(errors.ModelError):
        do("run", FAST, INPUT, settings={"budget": budget})
    assert figures(budget) == ("0.00", "0.00")


@pytest.mark.parametrize("budget", [Budget(1), None])
def test_an_upload_that_breaks_off_costs_nothing(
    do: Do, respx_mock: respx.MockRouter, budget: Budget | None
) -> None:
    respx_mock.route(host="rest.fal.ai").mock(side_effect=httpx.ReadTimeout("silence"))
    large = sample("png") + bytes(5_000_000)
    with pytest.raises(errors.FalkitError):
        do("run", FAST, {**INPUT, "image_url": large}, settings={"budget": budget})
    assert budget is None or figures(budget) == ("0.00", "0.00")


def test_a_job_without_a_key_costs_nothing(
    respx_mock: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FAL_KEY", raising=False)
    budget = Budget(1)
    with Client(budget=budget) as client, pytest.raises(errors.MissingKey):
        client.run(FAST, INPUT)
    assert figures(budget) == ("0.00", "0.00")
    assert not respx_mock.calls


def test_threads_cannot_go_past_the_limit_together() -> None:
    budget, taken, start = Budget(10), list[int](), threading.Barrier(8)

    def spend() -> None:
        start.wait()
        for _ in range(200):
            try:
                hold = budget.hold(Decimal("0.01"), FAST)
            except errors.BudgetExceeded:
                continue
            taken.append(1)
            hold.settle(None)

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1000
    assert figures(budget) == ("10.00", "0.00")


def test_settling_again_corrects_the_first_amount() -> None:
    budget = Budget(1)
    hold = budget.hold(Decimal("0.24"), FAST)
    hold.release()
    hold.settle(Decimal("0.30"))
    assert figures(budget) == ("0.30", "0.00")


@pytest.mark.parametrize("limit", ["five", "-1", "nan", float("inf")])
def test_a_malformed_limit_is_refused(limit: str) -> None:
    with pytest.raises(ValueError, match="give US dollars"):
        Budget(limit)


def test_calls_of_unknown_price_are_counted_apart(do: Do, respx_mock: respx.MockRouter) -> None:
    respx_mock.post("https://fal.run/fal-ai/whisper").respond(json={"text": "x"})
    input = {"audio_url": "https://example.com/a.mp3"}
    guarded = {"budget": Budget(1), "check": False}
    with pytest.raises(errors.PriceUnknown, match="no price is known for fal-ai/whisper"):
        do("run", "fal-ai/whisper", input, settings=guarded)
    budget = Budget(1, allow_unknown=True)
    result = do("run", "fal-ai/whisper", input, settings={"budget": budget, "check": False})
    assert result.cost is None
    assert (budget.unknown, budget.left) == (1, Decimal(1))
    assert repr(budget) == "Budget(limit=1, spent=0, held=0, unknown=1)"


def test_a_call_that_was_not_billed_is_not_unknown_either() -> None:
    budget = Budget(1, allow_unknown=True)
    held, done = (budget.hold(None, "a/b") for _ in range(2))
    held.release()
    assert budget.unknown == 1
    done.settle(Decimal("0.30"))
    assert (budget.unknown, budget.spent) == (0, Decimal("0.30"))


def test_units_that_fal_counts_otherwise_than_the_price_list_cost_the_price(
    do: Do, respx_mock: respx.MockRouter
) -> None:
    """Nobody knows what 5 units of a picture at 4K are; the price list has $0.16."""
    endpoint = "fal-ai/nano-banana-2"
    respx_mock.post(f"https://fal.run/{endpoint}").respond(
        json={"images": [{"url": "https://example.com/a.png"}], "description": ""},
        headers={"x-fal-billable-units": "5"},
    )
    budget = Budget(1)
    input = {"prompt": "A tram in the rain", "resolution": "4K"}
    result = do("run", endpoint, input, settings={"budget": budget})
    assert result.cost == Decimal("0.16")
    assert figures(budget) == ("0.16", "0.00")
