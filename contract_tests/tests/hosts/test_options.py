"""Headers and parameters of a call: what is heeded, what is dropped, what does nothing."""

from __future__ import annotations

import pytest

from serving import PROMPT, T2V, Mock, Serve

HINT = "x-falkit-hint"


def called(mock: Mock, host: str = "queue.fal.run", query: str = "", **headers: str) -> str:
    """Call a model; return the reply's hint."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    reply = mock.http.post(f"/{host}/{T2V}{query}", json=PROMPT, headers=named)
    assert reply.status_code == 200, reply.text
    hint: str = reply.headers.get(HINT, "")
    return hint


def kept(mock: Mock, tags: str) -> tuple[list[str], str]:
    """Return the tags that a job has, and the hint."""
    reply = mock.http.post(f"/queue.fal.run/{T2V}", json=PROMPT, headers={"x-fal-tags": tags})
    assert reply.status_code == 200, "a tag fails no request"
    tags_of: list[str] = mock.job(reply.json())["options"]["tags"]
    return tags_of, reply.headers.get(HINT, "")


@pytest.mark.parametrize(
    ("tags", "taken"),
    [
        ("team=design", ["team=design"]),
        ("team = design , env=prod", ["team=design", "env=prod"]),
        ("query=a=b=c", ["query=a=b=c"]),
        ("a=1,b=2,a=3", ["a=3", "b=2"]),
        ("empty=", ["empty="]),
        (f"{'k' * 64}={'v' * 256}", [f"{'k' * 64}={'v' * 256}"]),
        (",".join(f"k{n}=v" for n in range(10)), [f"k{n}=v" for n in range(10)]),
        (
            ",".join(f"k{n}={'v' * 254}" for n in range(4)),
            [f"k{n}={'v' * 254}" for n in range(4)],
        ),
    ],
)
def test_tags_that_keep_to_the_rules_are_kept(mock: Mock, tags: str, taken: list[str]) -> None:
    assert kept(mock, tags) == (taken, "")


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("team", "isn't key=value"),
        ("=x", "has a key that isn't"),
        ("Team=x", "has a key that isn't"),
        ("te am=x", "has a key that isn't"),
        (f"{'k' * 65}=x", "has a key that isn't"),
        ("fal.team=x", "begins with fal."),
        ("a=x\ty", "printable"),
        (f"a={'v' * 257}", "printable"),
    ],
)
def test_a_tag_that_breaks_a_rule_is_dropped_alone_with_a_hint(
    mock: Mock, bad: str, why: str
) -> None:
    found, hint = kept(mock, f"first=1,{bad},last=2")
    assert found == ["first=1", "last=2"]
    assert hint.startswith("X-Fal-Tags: '")
    assert why in hint


def test_the_eleventh_tag_and_the_1025th_byte_are_too_many(mock: Mock) -> None:
    found, hint = kept(mock, ",".join(f"k{n}=v" for n in range(11)))
    assert (len(found), "'k10=v' is one too many" in hint) == (10, True)
    found, hint = kept(mock, ",".join(f"k{n}={'v' * 254}" for n in range(4)) + ",x=")
    assert (len(found), "beyond 1024 bytes" in hint) == (4, True)


def test_an_unknown_header_is_hinted_at_once_per_name_on_any_host(serve: Serve) -> None:
    mock = serve()
    first = called(mock, "fal.run", x_fal_priority="low", x_fal_zebra="1")
    assert "X-Fal-Priority: fal has no such request header" in first
    assert "X-Fal-Zebra: fal has no such request header, so it does nothing" in first
    assert "Zebra" not in called(mock, x_fal_zebra="1", x_fal_priority="low")
    for number, url in enumerate(("/rest.fal.ai/.well-known/jwks.json", "/api.fal.ai/v1/models")):
        headers = {f"x-fal-zebra-{number}": "1"}
        hints = [mock.http.get(url, headers=headers).headers.get(HINT) for _ in range(2)]
        told = f"X-Fal-Zebra-{number}: fal has no such request header, so it does nothing"
        assert hints == [told, None]


def test_a_near_name_is_asked_after(serve: Serve) -> None:
    hint = called(serve(), x_fal_queue_prio="low", x_fal_start_timeout="5")
    assert "did you mean X-Fal-Queue-Priority?" in hint
    assert "did you mean X-Fal-Request-Start-Timeout?" in hint


def test_headers_of_fals_and_its_clients_bring_no_hint(serve: Serve) -> None:
    mock = serve()
    hint = called(
        mock,
        x_fal_request_start_timeout="30",
        x_fal_request_timeout="30.0",
        x_fal_runner_hint="session",
        x_fal_queue_priority="normal",
        x_fal_object_lifecycle_preference='{"expiration_duration_seconds": 60}',
        x_fal_object_lifecycle='{"expiration_duration_seconds": 60}',
        x_fal_store_io="1",
        x_fal_no_retry="yes",
        x_fal_tags="a=b",
        x_fal_client_proxy="@fal-ai/server-proxy/nextjs",
        x_fal_request_id="r1",
        x_app_fal_disable_fallback="true",
    )
    assert hint == ""


def test_a_retry_config_is_ignored_and_hinted_at(serve: Serve) -> None:
    mock = serve(faults=["runner_disconnected times=2"])
    config = '{"connection_error": {"retries": 0}}'
    headers = {"x-fal-retry-config": config}
    reply = mock.http.post(f"/queue.fal.run/{T2V}", json=PROMPT, headers=headers)
    assert reply.headers[HINT].startswith("X-Fal-Retry-Config: fal ignores it on models that are")
    assert mock.result(reply.json()).status_code == 200
    assert mock.job(reply.json())["attempts"] == 3
    assert HINT not in mock.http.post(reply.url, json=PROMPT, headers=headers).headers


@pytest.mark.parametrize("name", ["webhook_url", "webhookUrl", "webhook", "fal-webhook"])
def test_a_misspelt_webhook_is_ignored_with_a_hint(mock: Mock, name: str) -> None:
    reply = mock.http.post(
        f"/queue.fal.run/{T2V}", json=PROMPT, params={name: "http://127.0.0.1:9/"}
    )
    assert mock.job(reply.json())["options"]["webhook"] is None
    hint = f"{name}: fal has no such parameter, and ignores it; did you mean fal_webhook?"
    assert reply.headers[HINT] == hint


def test_other_parameters_are_ignored_with_a_hint(mock: Mock) -> None:
    hint = called(mock, query="?max_queue_length=0&zebra=1")
    assert "did you mean fal_max_queue_length?" in hint
    assert hint.endswith("zebra: fal has no such parameter, and ignores it")


def test_the_queues_parameters_do_nothing_at_fal_run(mock: Mock) -> None:
    hint = called(mock, "fal.run", "?fal_webhook=http://127.0.0.1:9&fal_max_queue_length=many")
    assert hint == (
        "fal_webhook: fal.run ignores it; submit to queue.fal.run; "
        "fal_max_queue_length: fal.run ignores it; submit to queue.fal.run"
    )
