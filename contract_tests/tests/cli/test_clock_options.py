"""A mock on the command line whose time stands, begins elsewhere, or keeps results longer."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import click
import httpx
import pytest

from falkit import Settings
from falkit_mock.cli.options import RUN_OPTIONS, clock_line, clock_of, settings_of
from falkit_mock.core.clock import SimulatedClock
from processes import FALKIT, started
from serving import KEY, PROMPT, T2V


def made(*words: str) -> tuple[Settings, SimulatedClock | None, str]:
    """Return the settings and the clock of words on a command line, and what is told of it."""

    @click.command(params=[*RUN_OPTIONS])
    def command(**given: Any) -> tuple[Settings, SimulatedClock | None, str]:
        settings = settings_of(given)
        clock = clock_of(settings)
        return settings, clock, clock_line(clock)

    found: tuple[Settings, SimulatedClock | None, str] = command.main(
        [*words], standalone_mode=False
    )
    return found


def test_time_passes_from_now_on_unless_asked() -> None:
    assert made()[1:] == (None, "")


def test_a_paused_clock_begins_where_the_option_says() -> None:
    _, clock, told = made("--clock", "manual", "--clock-start", "2027-01-15T08:00:00Z")
    assert clock is not None
    assert (clock.now(), clock.running) == (1_800_000_000.0, False)
    assert told.startswith("time is paused at 2027-01-15T08:00:00.000Z; `falkit clock")
    assert clock_line(clock, "http://x:1").endswith("another terminal with --base-url http://x:1")


@pytest.mark.parametrize("text", ["2027-01-15T09:00:00+01:00", "2027-01-15T08:00"])
def test_a_moment_without_an_offset_is_utc(text: str) -> None:
    _, clock, told = made("--clock-start", text)
    assert clock is not None
    assert clock.running
    assert clock.now() - 1_800_000_000.0 < 60
    assert told == ""


@pytest.mark.parametrize("text", ["soon", "", "2027", "9999-99-99T00:00:00Z"])
def test_a_malformed_moment_is_named(text: str) -> None:
    with pytest.raises(click.UsageError, match=r"clock-start: .* isn't a moment"):
        made("--clock-start", text)


@pytest.mark.parametrize(
    ("word", "seconds"), [("fal", None), ("forever", float("inf")), ("90", 90.0), ("0.5", 0.5)]
)
def test_a_results_lifetime_is_fals_or_the_options(word: str, seconds: float | None) -> None:
    assert made("--result-ttl", word)[0].result_ttl == seconds


@pytest.mark.parametrize("word", ["long", "0", "-1", "nan"])
def test_a_malformed_lifetime_is_named(word: str) -> None:
    with pytest.raises(click.UsageError, match="result-ttl"):
        made("--result-ttl", word)


@pytest.mark.parametrize("places", [0, 1, 40])
def test_the_limit_of_a_key_is_an_option(places: int) -> None:
    assert made("--concurrency", str(places))[0].concurrency == places


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(click.UsageError, match="-1 is not in the range"):
        made("--concurrency", "-1")


def test_a_mock_on_a_paused_clock_says_so_and_stays_paused() -> None:
    command = [FALKIT, "serve", "--port", "0"]
    command += ["--clock", "manual", "--clock-start", "2027-01-15T08:00:00Z", "--timing", "60,60"]
    with started(command, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = json.loads(process.stdout.readline())["url"]
        assert "time is paused at 2027-01-15T08:00:00.000Z" in process.stderr.readline()
        job = httpx.post(f"{url}/queue.fal.run/{T2V}", json=PROMPT, headers=KEY).json()
        moved = httpx.post(f"{url}/__falkit/clock/advance", json={"seconds": 120})
        assert moved.status_code == 200, moved.text
        status = httpx.get(job["status_url"], params={"logs": 1}, headers=KEY).json()
        assert status["status"] == "COMPLETED"
        assert status["logs"][0]["timestamp"].startswith("2027-01-15T08:01:")
