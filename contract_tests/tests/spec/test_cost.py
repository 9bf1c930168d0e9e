"""`falkit cost` prices recorded and written inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, strategies as st

from falkit_contract.strategies import inputs
from falkit_mock.cli import falkit
from falkit_spec import Catalog
from falkit_spec.cli.cost import price_of
from falkit_spec.drift.recordings import Call
from serving import Mock

T2V, A2V = "fal-ai/ltx-2/text-to-video", "fal-ai/ltx-2/audio-to-video"
RAIN = {"prompt": "Rain"}
GOOD = {"endpoint_id": T2V, "input": RAIN}
WRONG = {"endpoint_id": T2V, "input": {**RAIN, "duration": 7}}
UNKNOWN = {"endpoint_id": "fal-ai/whisper", "input": {"audio_url": "https://example.com/a.mp3"}}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FALKIT_DOCUMENTS", raising=False)


def cost(recorded: Any, *words: str, stdin: str | None = None) -> Result:
    text = recorded if isinstance(recorded, str) else json.dumps(recorded)
    Path("calls.json").write_text(text)
    result = CliRunner().invoke(falkit, ["cost", *(words or ["calls.json"])], input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def test_each_call_has_a_row_and_all_a_total() -> None:
    lines = [GOOD, {"endpoint_id": T2V, "input": {**RAIN, "duration": "10"}}, WRONG, UNKNOWN]
    wide = {"endpoint_id": T2V, "input": {**RAIN, "duration": 10, "resolution": "2160p"}}
    done = cost([*lines[:1], wide, WRONG, UNKNOWN])
    rows = [" ".join(row.split()) for row in done.stdout.splitlines()]
    assert rows[:2] == [
        f"$0.36 {T2V} calls.json: [0]: 6 x second at $0.06",
        f"$2.40 {T2V} calls.json: [1]: 10 x second at $0.24",
    ]
    assert rows[2] == f"refused {T2V} calls.json: [2]: duration: Input should be 6, 8 or 10"
    assert rows[3].startswith("unknown fal-ai/whisper calls.json: [3]: ")
    assert rows[4] == "4 calls, 1 that fal would refuse: at least $2.76, 1 of unknown price"
    assert (done.exit_code, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("recorded", "words"),
    [
        (RAIN, ["--endpoint", T2V]),
        ([RAIN], ["--endpoint", T2V]),
        ("\n".join([json.dumps(GOOD)] * 1), []),
        ({"endpoint": T2V, "input": RAIN, "output": {}}, []),
        # As `falkit jobs ID` prints it.
        ({**GOOD, "outcome": {"status_code": 200, "body": {}}}, []),
    ],
)
def test_inputs_are_read_in_every_form_of_falkit_check(recorded: Any, words: list[str]) -> None:
    assert cost(recorded, "calls.json", *words).stdout.endswith("\n1 call: $0.36\n")


def test_a_dash_is_stdin() -> None:
    done = cost("", "-", "--endpoint", T2V, stdin=json.dumps(RAIN))
    assert "stdin: 6 x second" in done.stdout
    assert done.exit_code == 0
    broken = cost("", "-", "--endpoint", T2V, stdin="{")
    assert (broken.exit_code, broken.stderr[:24]) == (2, "falkit: stdin: not JSON ")


def test_nothing_known_is_an_unknown_price_and_never_0_dollars() -> None:
    done = cost([UNKNOWN])
    assert "$0" not in done.stdout
    assert done.stdout.endswith("\n1 call: an unknown price\n")
    assert cost([WRONG]).stdout.endswith("\n1 call, 1 that fal would refuse: $0.00\n")


def test_what_depends_on_a_files_length_says_so_with_the_rate() -> None:
    sound = {"endpoint_id": A2V, "input": {**RAIN, "audio_url": "https://example.com/a.mp3"}}
    why = "$0.10 per second of audio_url, as many as follow from the length of audio_url"
    assert cost([sound]).stdout.splitlines()[0].endswith(why)


def test_above_the_budget_the_exit_code_is_1() -> None:
    over = cost([GOOD, GOOD], "calls.json", "--budget", "0.5")
    assert (over.exit_code, over.stderr) == (1, "falkit: over the budget of $0.50 by $0.22\n")
    assert cost([GOOD, GOOD], "calls.json", "--budget", "0.72").exit_code == 0


def test_what_is_no_budget_and_what_cannot_be_read_exits_with_2() -> None:
    done = cost([GOOD], "calls.json", "--budget", "2,50")
    assert done.exit_code == 2
    assert "budget: '2,50' isn't an amount; give US dollars such as 2.50" in done.output
    done = cost([GOOD], "calls.json", "gone.json", "--budget", "0")
    assert (done.exit_code, done.stderr.splitlines()[0]) == (
        2,
        "falkit: gone.json: cannot be read (No such file or directory)",
    )
    assert "1 call: $0.36" in done.stdout


def test_json_has_amounts_as_text_and_why_there_is_none() -> None:
    told = json.loads(cost([GOOD, WRONG, UNKNOWN], "calls.json", "--json").stdout)
    assert {name: told[name] for name in ("currency", "total", "unknown", "refused")} == {
        "currency": "USD",
        "total": "0.36",
        "unknown": 1,
        "refused": 1,
    }
    assert told["calls"][0] == {
        "where": "calls.json: [0]",
        "endpoint_id": T2V,
        "cost": "0.36",
        "quantity": "6",
        "unit": "second",
        "unit_price": "0.06",
        "refused": False,
        "why": None,
    }
    assert [one["cost"] for one in told["calls"][1:]] == [None, None]


def test_an_endpoint_without_a_document_is_unknown() -> None:
    done = cost([{"endpoint_id": "acme/none", "input": {}}])
    assert done.stdout.startswith("unknown  acme/none  calls.json: [0]: ")


PRICED = [endpoint for endpoint in Catalog.vendored() if endpoint.pricing is not None]


@given(data=st.data())
def test_it_is_what_the_mock_bills_for_the_same_input(mock: Mock, data: st.DataObject) -> None:
    endpoint = data.draw(st.sampled_from(PRICED))
    input = data.draw(inputs(endpoint))
    price = price_of(Catalog.vendored(), Call("here", endpoint.id, input=input, has_input=True))
    reply = mock.run(input, endpoint.id)
    if price.refused or reply.status_code != 200 or endpoint.measured:
        assert price.refused == (reply.status_code == 422) or reply.status_code != 200
        return
    job = mock.http.get(f"/__falkit/jobs/{reply.headers['x-fal-request-id']}").json()
    assert job["cost"] == (None if price.cost is None else f"{price.cost:f}")
