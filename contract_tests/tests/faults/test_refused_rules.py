"""A rule that can't work is refused: which field, what it was, what would do."""

from __future__ import annotations

import pytest

from falkit_mock.faults import RuleError
from falkit_mock.faults.rulebook import read_rules
from falkit_mock.faults.rules import Rule
from serving import PROMPT, Mock, Serve

REFUSED = [
    ("image_lod_error", "fault", "did you mean image_load_error?"),
    ("duplicate", "fault", "did you mean webhook_duplicate?"),
    ("zzz", "fault", "`falkit faults` lists them"),
    ("", "rule", "does not begin with a fault's name"),
    ("=3", "rule", "does not begin with a fault's name"),
    ("latency 3", "rule", "is not key=value"),
    ("latency prompt=a b", "rule", "quote a value that has spaces"),
    ("latency seconds=1 seconds=2", "seconds", "comes twice"),
    ("latency seconds=1; hang", "rule", "one rule is expected"),
    (r'latency prompt="\q"', "prompt", "double it"),
    ("internal_error times=0", "times", "give 1 or more"),
    ("internal_error times=-1", "times", "give 1 or more"),
    ("internal_error times=1.5", "times", "is not a whole number"),
    ("internal_error times=1e400", "times", "is not a whole number"),
    ("internal_error skip=-1", "skip", "give 0 or more"),
    ("internal_error nth=0", "nth", "isn't a place from 1"),
    ("internal_error nth=every:0", "nth", "give 1 or more"),
    ("internal_error nth=x", "nth", "such as 3, 1,2 or every:2"),
    ("internal_error nth=3 times=2", "times", "contradicts nth"),
    ("internal_error probability=0", "probability", "more than 0 and at most 1"),
    ("internal_error probability=1.5", "probability", "more than 0 and at most 1"),
    ("internal_error probability=nan", "probability", "more than 0 and at most 1"),
    ("internal_error endpoint=https://fal.run/x", "endpoint", "not a URL"),
    ("internal_error endpoint=/fal-ai/x", "endpoint", "not a URL"),
    ('internal_error endpoint="a["', "endpoint", "bracket that isn't closed"),
    ('internal_error key=""', "key", "isn't a pattern"),
    ("internal_error prompt=(", "prompt", "isn't a regular expression"),
    ("internal_error on=sumbit", "on", "did you mean submit?"),
    ("internal_error on=status", "on", "is where internal_error can't happen; it can on submit"),
    ("media_missing on=run", "on", "it can on media"),
    ("webhook_late on=run", "on", "it can on submit"),
    ("latency on=upload prompt=x", "prompt", "call no model"),
    ("latency on=token endpoint=x", "endpoint", "call no model"),
    ("account_locked reason=exausted_balance", "reason", "did you mean exhausted_balance?"),
    ("account_locked reason=bored", "reason", "is not exhausted_balance or TOP_UP or"),
    ("content_policy_violation categories=violense", "categories", "did you mean violence?"),
    ("content_policy_violation categories=hate,3", "categories", "is not harassment or hate or"),
    ("image_too_small min_hight=3", "min_hight", "did you mean min_height?"),
    ("hang tmes=2", "tmes", "'tmes' isn't a parameter; did you mean times?"),
    ("bad_key seconds=3", "seconds", "bad_key takes none"),
    ("latency secs=3", "secs", "did you mean seconds?"),
    ("latency seconds=soon", "seconds", "is not a time"),
    ("latency seconds=-1", "seconds", "give 0 to 604800"),
    ("latency seconds=uniform:3..1", "seconds", "give the smaller number first"),
    ("latency seconds=uniform:1", "seconds", "is not a time"),
    ("latency seconds=gamma:1,2", "seconds", "is not a time"),
    ("latency seconds=lognormal:0,1", "seconds", "median above 0"),
    ("hang seconds=inf", "seconds", "is not a number from 0 to 604800"),
    ("stuck seconds=-1", "seconds", "give 0 or more"),
    ("stuck seconds=-inf", "seconds", "is not a number from 0 to 315360000"),
    ("stuck seconds=1e300", "seconds", "give 315360000 or less"),
    ("internal_error nth=1,1", "nth", "names a place twice"),
    ("internal_error input.a..b=5", "input.a..b", "names no field"),
    (r'media_wrong_type content_type="a\nb"', "content_type", "can't stand in a header"),
    ("ingress_error status=500", "status", "is not 502 or 503 or 504"),
    ("raw_error status=200", "status", "give 400 or more"),
    ("raw_error status=500.5", "status", "is not a whole number"),
    ("media_truncated share=2", "share", "give 1 or less"),
    ("one_of expected=", "expected", "is not a list"),
    ("internal_server_error retryable=perhaps", "retryable", "is not true or false"),
    ("webhook_duplicate copies=1", "copies", "give 2 or more"),
]


@pytest.mark.parametrize(("text", "field", "mend"), REFUSED, ids=[text for text, *_ in REFUSED])
def test_a_rule_is_refused(text: str, field: str, mend: str) -> None:
    with pytest.raises(RuleError) as caught:
        Rule.read(text)
    assert caught.value.field == field
    assert mend in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ({}, "fault"),
        ({"fault": 3}, "fault"),
        ({"fault": "internal_error", "input": 3}, "input"),
        ({"fault": "internal_error", "input": {}}, "input"),
        ({"fault": "internal_error", "on": []}, "on"),
        ({"fault": "internal_error", "prompt": 3}, "prompt"),
        ({"fault": "internal_error", "times": True}, "times"),
        ({"fault": "internal_error", "nth": [1, "x"]}, "nth"),
        ({"fault": "latency", "seconds": [1]}, "seconds"),
        ({"fault": "one_of", "expected": [[1]]}, "expected"),
        ({"fault": "raw_error", "text": {"a": 1}}, "text"),
        ({"fault": "raw_error", "text": "\ud800"}, "text"),
        ({"fault": "raw_error", "text": True}, "text"),
    ],
)
def test_a_table_is_refused(table: dict[str, object], field: str) -> None:
    with pytest.raises(RuleError) as caught:
        Rule.read(table)  # type: ignore[arg-type]  # some are no JSON of a rule's shape
    assert caught.value.field == field


def test_an_unknown_fault_names_a_similar_one() -> None:
    with pytest.raises(RuleError, match=r"isn't a fault; did you mean image_load_error\?"):
        Rule.read("Image-Load-Eror")


def test_dashes_are_as_good_as_underscores() -> None:
    rule = Rule.read("image-too-small min-width=9")
    assert rule.text() == "image_too_small min_width=9"


def test_of_several_rules_the_wrong_one_is_named() -> None:
    with pytest.raises(RuleError, match=r"^rule 2: fault: 'x' isn't a fault"):
        read_rules(["bad_key", "x"])
    with pytest.raises(RuleError, match=r"^rule 2 \(latency\): seconds: 'x' is not a time"):
        read_rules(["bad_key", {"fault": "latency", "seconds": "x"}])


def test_a_header_that_makes_no_fault_is_answered_400(instant: Mock) -> None:
    for text in ("nonsense", "latency seconds=x", "latency ]", "\xff"):
        reply = instant.run(PROMPT, headers={"x-falkit-fault": text.encode("latin-1")})
        assert reply.status_code == 400
        assert reply.json()["detail"].startswith("x-falkit-fault: ")
        job = instant.submit()
        bad = [(b"x-falkit-fault", text.encode("latin-1"))]
        assert instant.http.get(job["status_url"], headers=bad).status_code == 400


def test_magic_text_that_makes_no_fault_is_named_by_hint(serve: Serve) -> None:
    mock = serve()
    reply = mock.run({"prompt": "A tower [falkit:image_lod_error]"})
    assert reply.status_code == 200
    assert "did you mean image_load_error?" in reply.headers["x-falkit-hint"]
    reply = mock.run({"prompt": "A tower [falkit:latency seconds=2"})
    assert "has no closing bracket" in reply.headers["x-falkit-hint"]
    job = mock.http.post(
        "/queue.fal.run/fal-ai/ltx-2/image-to-video/fast",
        json={**PROMPT, "image_url": "https://falkit.test/image_lod_error.png"},
    )
    assert "did you mean image_load_error?" in job.headers["x-falkit-hint"]
    assert mock.result(job.json()).status_code == 200
