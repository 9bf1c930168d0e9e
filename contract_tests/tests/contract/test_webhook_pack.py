"""The webhook pack finds each mistake of a handler by its own case, and none in its twin."""

from __future__ import annotations

import itertools
from collections.abc import Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from falkit import Mock
from falkit_contract.webhooks import WebhookCase, WebhookFinding, webhook_cases

HANDLERS = Path(__file__).parent / "handlers"
SHOP = (HANDLERS / "shop.py").read_text()
CASES = {case.id: case for case in webhook_cases}
_numbers = itertools.count()


@pytest.fixture(scope="module", autouse=True)
def mock() -> Generator[Mock]:
    """The mock that the cases use, as under `falkit run --egress block -- pytest`.

    Programs then read one certificate for each client that they make, and not all roots.
    """
    settings: Any = {"timing": "instant", "clock": "manual", "concurrency": 0, "egress": "block"}
    with Mock(**settings) as mock, pytest.MonkeyPatch.context() as patch:
        for name, value in mock.environ.items():
            patch.setenv(name, value)
        yield mock


def loaded(source: str, name: str = "shop") -> Any:
    """Run a handler's program as a module of its own."""
    module = ModuleType(f"{name}_{next(_numbers)}")
    exec(compile(source, f"{name}.py", "exec"), module.__dict__)
    return module


def options_of(shop: Any) -> dict[str, Any]:
    return {
        "stored": shop.videos.get,
        "failed": shop.failures.__contains__,
        "submitted": shop.submitted,
        "reconcile": shop.reconcile,
    }


def tried(source: str) -> dict[str, str]:
    """Return what is found in a shop, by case: the first line, without the case's id."""
    shop, found = loaded(source), dict[str, str]()
    for case in webhook_cases:
        try:
            case.check(shop.app, "/fal", **options_of(shop))
        except WebhookFinding as finding:
            found[case.id] = finding.problem
    return found


@pytest.mark.parametrize("case", webhook_cases)
def test_the_right_handler_passes(case: WebhookCase) -> None:
    shop = loaded(SHOP)
    case.check(shop.app, "/fal", **options_of(shop))


# By case: what is written in the place of what, and what is then said.
MISTAKES = {
    "duplicate": ("    seen.add(request_id)\n", "", "a repetition is acted on"),
    "at-once": (
        "    act(delivery)\n    return Response()\n",
        "    if delivery['request_id'] in seen:\n        return Response()\n"
        "    import asyncio\n\n"
        "    await asyncio.sleep(0)\n"
        "    seen.discard(delivery['request_id'])\n"
        "    act(delivery)\n    return Response()\n",
        "two that come at the same time are both acted on",
    ),
    "stale": ("> 300", "> 30000", "it is taken: signed 600 s ago"),
    "rotated-key": (
        'if time.time() >= kept["until"]:',
        'if not kept["keys"]:',
        "a new key of fal's is never believed",
    ),
    "reserialised": (
        "if not is_fals(request.headers, body):",
        "if not is_fals(request.headers, json.dumps(json.loads(body), sort_keys=True).encode()):",
        "it verifies JSON that it has written again, or nothing at all",
    ),
    "error-null": (
        "    delivery = json.loads(body)\n",
        "    delivery = json.loads(body)\n"
        "    if 'error' in delivery:\n        delivery['status'] = 'ERROR'\n",
        "an output with `error: null` is taken for a failure",
    ),
    "payload-null": (
        "    if payload is None:\n        payload = fetched(request_id)\n",
        "",
        "`payload: null` is not taken",
    ),
    "error-payload": (
        "    delivery = json.loads(body)\n",
        "    delivery = json.loads(body)\n"
        "    if delivery['payload'] and delivery['status'] == 'ERROR':\n"
        "        videos[delivery['request_id']] = [str(delivery['payload'])]\n",
        "an error is stored as an output",
    ),
    "before-reply": (
        '        early[delivery["request_id"]] = delivery\n',
        "",
        "what comes before the submit's reply is acknowledged and dropped",
    ),
    "late": (
        "    if payload is None:\n",
        "    if True:\n",
        "a late delivery is not taken",
    ),
    "lost": (
        "        act({",
        "        print({",
        "a job whose webhook never came is not found",
    ),
    "out-of-order": (
        "    delivery = json.loads(body)\n",
        "    delivery = json.loads(body)\n"
        "    waiting = [one for one in orders if one not in seen]\n"
        "    delivery['request_id'] = (waiting or [delivery['request_id']])[0]\n",
        "the output of a later job is stored for an earlier one",
    ),
    "tampered": (
        "    *signed, signature = given\n",
        "    *signed, signature = given\n    body = body.replace(b', \"tampered\": true', b'')\n",
        "it is taken: a body that was changed after it was signed",
    ),
    "forged": (
        "    if None in given:\n        return False\n",
        "    if None in given:\n        return True\n",
        "it is taken: without a signature",
    ),
}


NOT_JUDGED = "not judged, since a plain delivery isn't taken and stored either"
# What else is found, since it is so: without a plain delivery nothing can be judged, whoever does
# things twice also does them after the reconciler, and jobs once mixed up stay mixed up.
ALSO = {
    "error-null": dict.fromkeys(CASES, NOT_JUDGED),
    "out-of-order": dict.fromkeys(CASES, NOT_JUDGED),
    "duplicate": {
        "at-once": "two that come at the same time are both acted on",
        "lost": "what was finished already is done again by its webhook",
    },
}


@pytest.mark.parametrize("id", CASES)
def test_each_mistake_is_found_by_its_own_case(id: str) -> None:
    before, after, problem = MISTAKES[id]
    assert SHOP.count(before) == 1
    found = tried(SHOP.replace(before, after))
    assert found.pop(id) == problem
    assert found.items() <= ALSO.get(id, {}).items()
