"""Where webhooks may go: this machine, and hosts that are allowed by name."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from falkit import Settings
from falkit_mock.webhooks import TargetRefused
from falkit_mock.webhooks.targets import Targets
from following import deliveries, submit
from receiver import Receiver
from serving import PROMPT, T2V, Mock, Serve

HOSTS = "127.0.1.1 here here.lan\n::1 here\n10.0.0.7 there\n# 127.0.0.1 no\nnonsense line\n"


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    file = tmp_path / "hosts"
    file.write_text(HOSTS)
    return file


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    known = socket.getaddrinfo

    def ask(host: Any, *args: Any, **options: Any) -> Any:
        assert host == "127.0.0.1", f"a name server was asked for {host}"
        return known(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", ask)


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("http://127.0.0.1/x", ("127.0.0.1",)),
        ("http://127.9.8.7:8080", ("127.9.8.7",)),
        ("https://[::1]:8443/x", ("::1",)),
        ("http://[::ffff:127.0.0.1]/", ("::ffff:127.0.0.1",)),
        ("http://localhost:3000/x", ("127.0.0.1", "::1")),
        ("http://LOCALHOST./x", ("127.0.0.1", "::1")),
        ("http://app.localhost/x", ("127.0.0.1", "::1")),
        ("http://here/x", ("127.0.1.1", "::1")),
    ],
)
def test_this_machine_is_always_allowed(url: str, addresses: tuple[str, ...], hosts: Path) -> None:
    target = Targets(hosts_file=hosts).find(url)
    assert target.addresses == addresses
    assert target.loopback


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x",
        "http://10.0.0.7/x",
        "http://there/x",
        "http://no/x",
        "http://0.0.0.0/x",
        "http://2130706433/x",
        "http://0x7f.1/x",
        "http://127.0.0.1.example.com/x",
        "http://localhost.example.com/x",
        "http://notlocalhost/x",
        "http://[fe80::1]/x",
        "http://127.0.0.1@example.com/x",
    ],
)
def test_other_hosts_are_refused_by_default(url: str, hosts: Path) -> None:
    with pytest.raises(TargetRefused, match="--webhook-allow"):
        Targets(hosts_file=hosts).find(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/x",
        "ftp://localhost/x",
        "http://",
        "http:///x",
        "//localhost/x",
        "http://[::1/x",
        "http://localhost:99999/x",
        "http://localhost:port/x",
        "http://local host/x",
        "http://a\u2100b/x",
        "javascript:alert(1)",
    ],
    ids=repr,
)
def test_a_malformed_url_is_refused(url: str) -> None:
    with pytest.raises(TargetRefused, match="nothing is sent"):
        Targets(["*"]).find(url)


@pytest.mark.parametrize(
    ("allowed", "url", "good"),
    [
        ("example.com", "http://example.com/x", True),
        ("EXAMPLE.com", "https://Example.COM:8443/x", True),
        ("example.com", "http://www.example.com/x", False),
        ("*.example.com", "http://a.b.example.com/x", True),
        ("*.example.com", "http://example.com/x", False),
        ("example.com:8080", "http://example.com:8080/x", True),
        ("example.com:8080", "http://example.com/x", False),
        ("example.com:443", "https://example.com/x", True),
        ("10.0.0.*", "http://10.0.0.7:3000", True),
        ("[fd00::7]:80", "http://[fd00::7]/x", True),
        ("fd00::7", "http://[fd00::7]:99/x", True),
        ("*", "http://anything.test/", True),
    ],
)
def test_a_host_is_allowed_by_name(allowed: str, url: str, good: bool, hosts: Path) -> None:
    targets = Targets([allowed], hosts)
    if good:
        assert not targets.find(url).loopback
    else:
        with pytest.raises(TargetRefused):
            targets.find(url)


@pytest.mark.parametrize("word", ["", "http://example.com", "a b", "x:0", "x:port", "u@x"])
def test_a_malformed_host_pattern_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match=r"^webhook_allow: "):
        Settings(webhook_allow=(word,))


def test_a_url_is_requested_as_it_was_written() -> None:
    found = Targets().find("http://u%40:p%20w@localhost:80/a b/ä?q=%2F&r=ä#part")
    assert found.path == "/a%20b/%C3%A4?q=%2F&r=%C3%A4"
    assert (found.authority, found.origin) == ("localhost", "http://localhost")
    assert found.authorization == "Basic dUA6cCB3"


@pytest.mark.parametrize("ends", ["\r\nX-Evil: 1", "%0d%0aX-Evil: 1", " HTTP/1.1\r\n\r\n"])
def test_no_url_adds_to_the_request(ends: str) -> None:
    path = Targets().find(f"http://localhost/{ends}").path
    assert not set("\r\n ") & set(path)


def test_a_host_beyond_ascii_is_named_as_the_network_does() -> None:
    assert Targets(["xn--*"]).find("http://bücher.test/").host == "xn--bcher-kva.test"


def test_a_refused_target_is_reported_to_the_submitter_and_in_the_log(
    mock: Mock, receiver: Receiver
) -> None:
    reply = mock.http.post(
        f"/queue.fal.run/{T2V}", json=PROMPT, params={"fal_webhook": "https://example.com/hook"}
    )
    assert reply.status_code == 200
    assert "--webhook-allow example.com lets it" in reply.headers["x-falkit-hint"]
    (log,) = deliveries(mock, status="refused")
    assert (log["request_id"], log["number"]) == (reply.json()["request_id"], 0)
    assert "example.com is neither" in log["error"]
    assert mock.http.get("/__falkit/webhooks").json()["waiting"] == 0


def test_an_allowed_target_has_no_hint(mock: Mock, receiver: Receiver) -> None:
    reply = mock.http.post(
        f"/queue.fal.run/{T2V}", json=PROMPT, params={"fal_webhook": receiver.url}
    )
    assert "x-falkit-hint" not in reply.headers


def test_an_empty_webhook_is_none(serve: Serve) -> None:
    mock = serve()
    submit(mock, "")
    assert deliveries(mock) == []
