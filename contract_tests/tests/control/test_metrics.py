"""GET /metrics, read by Prometheus' own parser: what is counted, and that labels are bounded."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from falkit_mock import metrics
from falkit_mock.core.events import RequestRecord
from falkit_mock.core.network import ROLES
from serving import PROMPT, T2V, Mock, Serve

HEADERS = {"authorization": "Key falkit"}
QUEUE = f"/queue.fal.run/{T2V}"


class Samples(dict[tuple[str, frozenset[tuple[str, str]]], float]):
    """The values of a scrape by name and labels."""

    def at(self, name: str, **labels: str) -> float:
        return self.get((name, frozenset(labels.items())), 0.0)


def scraped(mock: Mock) -> Samples:
    reply = mock.http.get("/metrics")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = Samples()
    for family in text_string_to_metric_families(reply.text):
        assert family.documentation, family.name
        assert family.type in ("counter", "gauge", "histogram"), family.name
        for sample in family.samples:
            at = (sample.name, frozenset(sample.labels.items()))
            assert at not in found, at
            found[at] = sample.value
    return found


def submitted(mock: Mock, input: Mapping[str, object] = PROMPT, query: str = "") -> str:
    reply = mock.http.post(f"{QUEUE}{query}", json=input, headers=HEADERS)
    id: str = reply.json()["request_id"]
    return id


def test_requests_are_counted_by_operation_and_code(mock: Mock) -> None:
    before, app = scraped(mock), "/queue.fal.run/fal-ai/ltx-2/requests"
    id = submitted(mock)
    for path in (f"{id}/status", f"{id}/status/stream", id, "none/status"):
        mock.http.get(f"{app}/{path}", headers=HEADERS)
    mock.http.put(f"{app}/{id}/cancel", headers=HEADERS)
    mock.http.post(f"/fal.run/{T2V}", json={}, headers=HEADERS)
    mock.http.get("/v3b.fal.media/files/b/none.png")
    mock.http.get("/__falkit/jobs")
    after = scraped(mock)
    for operation, code in [
        ("queue_submit", "200"),
        ("queue_status", "200"),
        ("queue_status", "404"),
        ("queue_stream", "200"),
        ("queue_result", "200"),
        ("queue_cancel", "400"),
        ("run", "422"),
        ("media", "404"),
        ("control", "200"),
        ("probe", "200"),
    ]:
        at = {"operation": operation, "code": code}
        name = "falkit_requests_total"
        assert after.at(name, **at) - before.at(name, **at) == 1, at
    name = "falkit_request_duration_seconds"
    assert after.at(f"{name}_count", operation="queue_status") == sum(
        value
        for (sample, labels), value in after.items()
        if sample == "falkit_requests_total" and ("operation", "queue_status") in labels
    )
    assert after.at(f"{name}_sum", operation="queue_status") > 0
    last = after.at(f"{name}_bucket", operation="queue_status", le="+Inf")
    assert last == after.at(f"{name}_count", operation="queue_status")


def test_queues_and_runners_are_as_they_stand(manual: Mock) -> None:
    before = scraped(manual)
    ids = [submitted(manual) for _ in range(5)]
    manual.advance(10)
    after = scraped(manual)
    runners = after.at("falkit_runners")
    assert after.at("falkit_jobs_open", state="running") == runners
    assert after.at("falkit_runners_busiest") == runners
    assert after.at("falkit_jobs_open", state="waiting") == 5 - runners
    assert after.at("falkit_queue_longest") == 5 - runners
    assert after.at("falkit_jobs_kept") == 5
    assert after.at("falkit_kept_bytes", kind="jobs") > 0
    manual.http.put(
        f"/queue.fal.run/fal-ai/ltx-2/requests/{ids[-1]}/cancel", headers=HEADERS
    ).raise_for_status()
    manual.advance(1000)
    after = scraped(manual)
    assert after.at("falkit_jobs_open", state="waiting") == 0
    for name, labels, more in [
        ("falkit_jobs_accepted_total", {}, 5),
        ("falkit_jobs_ended_total", {"result": "ok"}, 4),
        ("falkit_jobs_ended_total", {"result": "cancelled"}, 1),
    ]:
        assert after.at(name, **labels) - before.at(name, **labels) == more, name


def test_deliveries_and_listeners_are_counted(serve: Serve) -> None:
    mock = serve()
    assert scraped(mock).at("falkit_event_listeners") == 0
    with mock.http.stream("GET", "/__falkit/events") as reply:
        pieces = reply.iter_raw()
        assert next(pieces) == b": falkit\n\n"
        submitted(mock, query="?fal_webhook=http://10.0.0.1/")
        found = scraped(mock)
        assert found.at("falkit_event_listeners") == 1
        assert found.at("falkit_event_listeners_behind") <= 1
    assert found.at("falkit_webhook_attempts_total", verdict="refused") == 1
    assert found.at("falkit_webhooks_pending") == 0


def test_no_path_id_or_key_is_a_label(mock: Mock) -> None:
    """Whatever is asked, labels stay a bounded set of words."""
    before = len(scraped(mock))
    for number in range(30):
        for host in ROLES:
            mock.http.get(f"/{host}/secret-{number}/{number}/status", headers=HEADERS)
        mock.http.get(f"/secret-{number}")
    assert len(scraped(mock)) - before < 400
    assert "secret" not in mock.http.get("/metrics").text
    operations = {
        metrics.operation_of(RequestRecord(0.0, verb, host, f"/a/b/{tail}", "", fal=fal))
        for verb in ("GET", "POST", "PUT", "DELETE")
        for host in [*ROLES, "example.com"]
        for tail in ("status", "stream", "realtime", "cancel", "x", "", "../..")
        for fal in (True, False)
    }
    assert operations <= metrics.OPERATIONS


def test_labels_and_help_are_escaped() -> None:
    line = metrics._line("a", (("b", 'c"\\\n'),), 1)  # pyright: ignore[reportPrivateUsage]
    assert line == 'a{b="c\\"\\\\\\n"} 1'
    (family,) = text_string_to_metric_families(f"{line}\n")
    assert family.samples[0].labels == {"b": 'c"\\\n'}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool isn't here")
def test_promtool_has_nothing_to_say(mock: Mock) -> None:
    text = mock.http.get("/metrics").text
    command = ["promtool", "check", "metrics"]
    checked = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_names_follow_the_conventions_and_the_page_has_them(serve: Serve, tmp_path: Path) -> None:
    mock = serve(state=tmp_path / "falkit.state")
    found = re.findall(r"^# TYPE (\S+) (\S+)$", mock.http.get("/metrics").text, re.M)
    for name, kind in found:
        assert re.fullmatch(r"(falkit|process)_[a-z_]+", name)
        assert name.endswith("_total") == (kind == "counter"), name
    page = (Path(__file__).parents[3] / "docs" / "monitoring.md").read_text()
    rows = "".join(re.findall(r"^\| (`(?:falkit|process)_.*?) \|", page, re.M))
    assert sorted(re.findall(r"`([a-z_]+)`", rows)) == sorted(name for name, _ in found)
    assert set(metrics.OPERATIONS) <= set(re.findall(r"`([a-z_]+)`", page))
