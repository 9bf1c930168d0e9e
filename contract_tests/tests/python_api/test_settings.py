"""Settings take the command line's plain values, and refuse the rest by name."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from falkit import Mock, Settings
from falkit_mock.core.settings import Assumptions, Seconds, SettingsError, Stepped
from falkit_mock.faults.rules import Rule

RULE = "image_load_error times=2"


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("timing", "instant", Seconds(0, 0)),
        ("timing", "held", Stepped("held")),
        ("timing", Seconds(1, 2), Seconds(1, 2)),
        ("result_ttl", "fal", None),
        ("result_ttl", None, None),
        ("result_ttl", "forever", math.inf),
        ("result_ttl", 90, 90.0),
        ("result_ttl", "0.5", 0.5),
        ("result_ttl", "2h", 7200.0),
        ("api_keys", ["a:b", "c"], frozenset({"a:b", "c"})),
        ("api_keys", {"a:b"}, frozenset({"a:b"})),
        ("api_keys", (), frozenset[str]()),
        ("faults", [RULE], (Rule.read(RULE),)),
        ("faults", [{"fault": "image_load_error", "times": 2}], (Rule.read(RULE),)),
        ("faults", (Rule.read(RULE), "hang"), (Rule.read(RULE), Rule.read("hang"))),
        ("assumptions", ["file-acl=ignored"], Assumptions(file_acl="ignored")),
        ("assumptions", {"file-acl": "ignored"}, Assumptions(file_acl="ignored")),
        ("assumptions", {"file_acl": "ignored"}, Assumptions(file_acl="ignored")),
        ("assumptions", Assumptions(file_acl="ignored"), Assumptions(file_acl="ignored")),
        ("webhook_allow", ["*.example.com:8080"], ("*.example.com:8080",)),
        ("clock", "manual", "manual"),
        ("clock_start", "2027-01-15T08:00:00Z", 1_800_000_000.0),
        ("clock_start", "2027-01-15T08:00", 1_800_000_000.0),
        ("clock_start", datetime(2027, 1, 15, 8, tzinfo=UTC), 1_800_000_000.0),
        ("clock_start", 1_800_000_000, 1_800_000_000.0),
        ("seed", 10**100, 10**100),
        ("control_token", "s3cret", "s3cret"),
    ],
)
def test_a_plain_value_is_taken(name: str, given: Any, kept: object) -> None:
    assert getattr(Settings(**{name: given}), name) == kept


WRONG: list[tuple[str, Any, str]] = [
    ("timing", "soon", r"'soon' is none of instant, polls, held, realistic or QUEUE,RUN"),
    ("timing", 5, r"5 isn't a timing; give one such as 'instant'"),
    ("timing", None, r"None isn't a timing; give one such as 'instant'"),
    ("timing", "-1,2", r"'-1,2' needs two numbers of seconds that are 0 or more"),
    ("runners", 0, r"0 is too small; the least is 1"),
    ("runners", "2", r"'2' isn't a whole number; give one from 1 on"),
    ("runners", True, r"True isn't a whole number"),
    ("concurrency", -1, r"-1 is too small; the least is 0"),
    ("concurrency", 1.5, r"1.5 isn't a whole number"),
    ("max_body", 10**30, r"1000.* is too large; the most is"),
    ("request_log", None, r"None isn't a whole number"),
    ("log_window", 0, r"0 is too small"),
    ("result_ttl", "long", r"'long' isn't a time to fetch a result in; give fal, forever, sec"),
    ("result_ttl", -5, r"-5 isn't a time to fetch a result in"),
    ("result_ttl", True, r"True isn't a time"),
    ("result_ttl", [], r"\[\] isn't a time"),
    ("api_keys", "abc", r"'abc' is a string; give a list such as \['abc'\]"),
    ("api_keys", 7, r"7 isn't a list; give one"),
    ("api_keys", [7], r"7 isn't text; give a list of non-empty texts"),
    ("api_keys", b"abc", r"b'abc' isn't a list"),
    ("api_keys", ["a", "a b"], r"'a b' can't be a key; use ASCII without spaces"),
    ("api_keys", ["a\t"], r"'a\\t' can't be a key"),
    ("allow_private_inputs", "yes", r"'yes' isn't True or False"),
    ("media_host", "fal", r"'fal' isn't auto or real; give one of these"),
    ("webhook_schedule", None, r"None isn't two-hours or until-expiry"),
    ("webhook_timestamps", "now", r"'now' isn't machine or mock"),
    ("webhook_allow", "example.com", r"'example.com' is a string; give a list"),
    ("webhook_allow", ["http://x/"], r"'http://x/' isn't a host; give a name or address"),
    ("control_token", "two words", r"a header can't hold it; use ASCII without spaces"),
    ("control_token", "", r"is empty; give a token, or None for none"),
    ("control_token", 7, r"7 isn't text"),
    ("seed", "x", r"'x' isn't a whole number; give one such as 7"),
    ("faults", RULE, r"'image_load_error times=2' is one rule; give a list such as \['image_load"),
    ("faults", {"fault": "hang"}, r"\{'fault': 'hang'\} is one rule; give a list"),
    ("faults", ["image_lod_error"], r"fault: 'image_lod_error' isn't a fault; did you mean"),
    ("faults", ["hang", "hang times=0"], r"rule 2: times: 0 is too small; give 1 or more"),
    ("faults", [7], r"7 isn't a rule; give texts such as 'image_load_error times=2'"),
    ("assumptions", ["x"], r"'x' is not of the form NAME=VALUE"),
    ("assumptions", "x=y", r"'x=y' is a string; give a list"),
    ("assumptions", {"nonsense": "x"}, r"there is no 'nonsense'; names are cancel-in-queue"),
    ("assumptions", {"file_acl": "perhaps"}, r"file-acl takes enforced or ignored, not 'perhaps'"),
    ("clock", "soon", r"'soon' isn't real or manual; give one of these"),
    (
        "clock_start",
        "soon",
        r"'soon' isn't a moment from 1970 to 9998; write one such as 2027-01-15T08:00:00Z",
    ),
    ("clock_start", "9999-12-31T23:59:59Z", r".* isn't a moment from 1970 to 9998"),
    ("clock_start", -1, r"-1 isn't a moment from 1970"),
    ("clock_start", math.inf, r"inf isn't a moment"),
    ("rules", [], r"is now called faults"),
    ("journal", 5, r"is now called request_log"),
    ("fault", [], r"no setting has this name; did you mean faults\?"),
    ("assume", [], r"no setting has this name; did you mean assumptions\?"),
    ("timming", "instant", r"no setting has this name; did you mean timing\?"),
    ("result-ttl", 5, r"no setting has this name; did you mean result_ttl\?"),
    ("zzz", 1, r"no setting has this name; those there are: timing, runners, "),
]


@pytest.mark.parametrize(("name", "value", "problem"), WRONG)
def test_a_value_that_cannot_work_is_refused_by_name(name: str, value: Any, problem: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: {problem}"):
        Settings(**{name: value})


def test_a_mock_refuses_what_settings_refuse() -> None:
    with pytest.raises(ValueError, match=r"^runners: 0 is too small"):
        Mock(runners=0)
    with pytest.raises(ValueError, match=r"^clock: 'soon' isn't real or manual"):
        Mock(clock="soon")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"clock": 5}, "clock: 5 isn't a clock; give 'real' or 'manual', or an object"),
        ({"egress": "no"}, "egress: 'no' isn't allow or block; give one of these"),
        ({"egress": "blocked"}, "egress: 'blocked' isn't allow or block; give one of these"),
        ({"port": 70_000}, "port: 70000 isn't a port; give one up to 65535, or 0 for a free one"),
        ({"port": "4325"}, "port: '4325' isn't a port"),
        ({"settings": "instant"}, "settings: 'instant' isn't a Settings; give falkit.Settings"),
    ],
    ids=str,
)
def test_a_mock_refuses_arguments_of_its_own_when_it_is_made(
    given: dict[str, Any], problem: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{problem}"):
        Mock(**given)


def test_a_malformed_assumption_is_refused_when_it_is_made() -> None:
    with pytest.raises(SettingsError, match="file-acl takes enforced or ignored, not 'perhaps'"):
        Assumptions(file_acl="perhaps")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def test_settings_are_compared_by_value_and_replaced_by_name() -> None:
    settings = Settings(timing="1,2", seed=7)
    assert settings == Settings(timing=Seconds(1, 2), seed=7)
    assert settings.replace(timing="instant") == Settings(timing="instant", seed=7)
    with pytest.raises(SettingsError, match=r"^seed: 'x'"):
        settings.replace(seed="x")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with pytest.raises(AttributeError):
        settings.seed = 8  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("output", [[1], None, 7, b"cat.json"])
def test_what_is_no_output_is_refused_by_pin(output: Any) -> None:
    with Mock() as mock, pytest.raises(ValueError, match=r"^output: .* is no output; give"):
        mock.pin("fal-ai/flux/dev", output)
