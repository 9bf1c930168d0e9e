"""Mocks that share a Redis, while it is away, hangs, is full, or comes back empty."""

from __future__ import annotations

import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from falkit import Settings
from falkit_mock.cli.state import state
from falkit_mock.core.settings import Assumptions, SettingsError
from falkit_mock.store import journal
from falkit_mock.store.redis import feed
from receiver import Receiver
from redis_servers import KEEPS, RedisServer, served_redis
from serving import Mock, running

Pair = tuple[Mock, Mock]
_INITIATE = "/rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3"


@contextmanager
def _pair(redis: RedisServer | Settings, second: Settings | None = None) -> Generator[Pair]:
    """Serve two mocks, each of which is asked for what the URLs of the other name, too."""
    first = Settings(timing="instant", state=redis.url) if isinstance(redis, RedisServer) else redis
    with running(first) as one, running(second or first) as other:
        for mock in (one, other):
            mock.http.event_hooks = {"request": [partial(_ask, httpx.URL(mock.url).port)]}
        yield one, other


def _ask(port: int | None, request: httpx.Request) -> None:
    request.url = request.url.copy_with(port=port)


def _post(mock: Mock) -> Any:
    return mock.http.post("/queue.fal.run/fal-ai/ltx-2/text-to-video", json={"prompt": "a kite"})


def _back(*mocks: Mock) -> None:
    """Ask until each takes a job again; the time limit of the test ends it otherwise."""
    for mock in mocks:
        while _post(mock).status_code != 200:
            pass


def test_while_redis_is_away_what_only_reads_is_answered(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_AGAIN", 0.01)
    with served_redis(tmp_path, *KEEPS) as redis, _pair(redis) as (one, other):
        job = one.submit()
        assert other.result(job).status_code == 200, "or it may not have heard of it"
        redis.kill()
        for mock in (one, other):
            reply = _post(mock)
            # As fal's ingress, whose answer all its clients try again.
            assert (reply.status_code, reply.headers["server"]) == (503, "nginx")
            assert "x-fal-request-id" not in reply.headers
            assert mock.http.post(_INITIATE, json={"file_name": "a"}).status_code == 503
            assert mock.http.get("/health").status_code == 200
            assert mock.http.get("/ready").status_code == 503
            assert "falkit_store_failing{" in (told := mock.http.get("/metrics").text)
            assert re.search(r"^falkit_store_failing\{.*\} 1$", told, re.MULTILINE)
            assert mock.status(job)["status"] == "COMPLETED"
            assert mock.result(job).status_code == 200
            assert [each["request_id"] for each in mock.jobs()] == [job["request_id"]]
            refused = mock.http.post("/__falkit/rules", json={"rule": "generation_timeout"})
            assert refused.status_code == 503
            assert "can't be reached: the Redis at redis://127.0.0.1" in refused.json()["detail"]
            assert mock.http.get("/__falkit/rules").json() == {"rules": []}
            # That requests came is to be written, too.
            kept = mock.service.store.journal
            while kept is None or kept.trouble is None:
                pass
        monkeypatch.setattr(journal, "_AGAIN", 600.0)
        redis.start()
        _back(one, other)
        for mock in (one, other):
            assert mock.http.get("/ready").status_code == 200, (
                "it is back as soon as it takes a job"
            )
        later = other.submit()
        for mock in (one, other):
            assert mock.result(later).status_code == mock.result(job).status_code == 200
            # What was refused never came to be.
            assert len({each["request_id"] for each in mock.jobs()}) == len(one.jobs())
        params = {"fal_webhook": receiver.url}
        path = "/queue.fal.run/fal-ai/ltx-2/text-to-video"
        id = one.http.post(path, json={"prompt": "a"}, params=params).json()["request_id"]
        assert receiver.wait(1)[0].json["request_id"] == id


def test_a_replica_that_is_cut_off_knows_not_what_others_have(tmp_path: Path) -> None:
    with served_redis(tmp_path) as redis:
        redis.ask("ACL", "SETUSER", "cut", "on", ">off", "~*", "&*", "+@all")
        cut = redis.url.replace("redis://", "redis://cut:off@")
        first, second = (Settings(timing="instant", state=url) for url in (redis.url, cut))
        with _pair(first, second) as (one, other):

            def upload() -> str:
                asked = {"file_name": "a.bin", "content_type": "application/octet-stream"}
                opened: dict[str, str] = one.http.post(_INITIATE, json=asked).json()
                assert one.http.put(opened["upload_url"], content=b"bytes").status_code == 200
                return opened["file_url"]

            def urls() -> list[str]:
                """Submit and upload something; return what can be read of it."""
                job = one.submit()
                video = one.result(job).json()["video"]["url"]
                control = f"/__falkit/jobs/{job['request_id']}"
                return [job["status_url"], job["response_url"], video, upload(), control]

            known = urls()
            assert [other.http.get(url).status_code for url in known] == [200] * 5
            redis.ask("ACL", "SETUSER", "cut", "off")
            redis.ask("CLIENT", "KILL", "USER", "cut")
            later = urls()
            # The bytes of uploads are in Redis alone.
            assert [other.http.get(url).status_code for url in known] == [200, 200, 200, 503, 200]
            *ingress, control = (other.http.get(url) for url in later)
            # As fal's ingress, whose answer all its clients try again.
            assert [(reply.status_code, reply.headers["server"]) for reply in ingress] == [
                (503, "nginx")
            ] * 4
            assert (control.status_code, "can't be reached" in control.json()["detail"]) == (
                503,
                True,
            )
            # What no replica could know is as it always is.
            assert other.http.get("/queue.fal.run/fal-ai/ltx-2/request").status_code != 503
            assert [one.http.get(url).status_code for url in (*known, *later)] == [200] * 10
            redis.ask("ACL", "SETUSER", "cut", "on")
            _back(other)
            assert [other.http.get(url).status_code for url in (*known, *later)] == [200] * 10
            gone = later[0].replace("/status", "x/status")
            assert other.http.get(gone).status_code == 404


def test_a_redis_that_hangs_holds_nobody_up_who_only_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "_PATIENCE", 0.2)
    with served_redis(tmp_path) as redis, _pair(redis) as (one, other):
        job = one.submit()
        assert other.result(job).status_code == 200
        # It answers nobody for so many milliseconds.
        redis.ask("CLIENT", "PAUSE", 2000, "ALL")
        for mock in (one, other):
            assert mock.http.get("/health").status_code == 200
            assert mock.result(job).status_code == 200
        _back(one, other)


def test_a_full_redis_takes_no_job_and_loses_none(tmp_path: Path) -> None:
    with served_redis(tmp_path) as redis, _pair(redis) as (one, other):
        job = one.submit()
        redis.ask("CONFIG", "SET", "maxmemory", 1)
        for mock in (one, other):
            reply = _post(mock)
            assert reply.status_code == 507
            assert "takes no more" in reply.json()["detail"]
            assert mock.result(job).status_code == 200
        redis.ask("CONFIG", "SET", "maxmemory", "512mb")
        _back(one, other)
        assert all(len(mock.jobs()) == 3 for mock in (one, other))
        assert all(mock.result(job).status_code == 200 for mock in (one, other))
        # To forget takes room, too, if little; what was asked in vain is not done by half.
        redis.ask("CONFIG", "SET", "maxmemory", 1)
        reply = one.http.post("/__falkit/reset", json={})
        assert (reply.status_code, "make room there" in reply.json()["detail"]) == (507, True)
        assert all(len(mock.jobs()) == 3 for mock in (one, other))


def test_a_redis_that_comes_back_empty_empties_the_mock(tmp_path: Path) -> None:
    with served_redis(tmp_path) as redis, _pair(redis) as (one, other):
        rule = one.http.post("/__falkit/rules", json={"rule": "generation_timeout times=1"})
        assert rule.status_code < 300
        seed = one.http.get("/__falkit/seed").json()
        one.http.delete("/__falkit/rules")
        job = one.submit()
        other.http.post("/__falkit/clock/advance", json={"seconds": 3600})
        redis.kill()
        redis.start()
        _back(one, other)
        for mock in (one, other):
            assert mock.http.get(job["status_url"]).status_code == 404
            assert mock.http.get("/__falkit/seed").json() == seed
            # Time goes on, and no id comes twice.
            assert job["request_id"] not in {each["request_id"] for each in mock.jobs()}
            assert mock.clock.now() > time.time() + 3000
        assert one.jobs() == other.jobs()


def test_a_mock_is_not_started_without_its_redis(tmp_path: Path) -> None:
    with served_redis(tmp_path) as redis:
        redis.kill()
        with pytest.raises(SettingsError) as refused, running(Settings(state=redis.url)):
            pass
        assert "state: redis://127.0.0.1" in str(refused.value)
        assert "can't be opened" in str(refused.value)
        assert "\n" not in str(refused.value)


_ALONE = "redis://:PASSWORD@… without a user"


def test_a_password_that_nobody_asked_for_is_told_of(tmp_path: Path) -> None:
    with served_redis(tmp_path) as redis:
        where = redis.url.partition("://")[2]
        why = f"asks for no password, and was given one.*{_ALONE}"
        with (
            pytest.raises(SettingsError, match=why),
            running(Settings(state=f"redis://:a@{where}")),
        ):
            pass
        base = redis.url.rpartition("/")[0]
        with (
            pytest.raises(SettingsError, match=r"out of range.*name another database"),
            running(Settings(state=f"{base}/99")),
        ):
            pass


def test_a_password_is_needed_and_never_shown(tmp_path: Path) -> None:
    with served_redis(tmp_path, "--requirepass", "s3cret") as redis:
        where = redis.url.partition("://")[2]
        for who in ("", ":wrong@", "wrong@", "wrong:wrong@"):
            with (
                pytest.raises(SettingsError) as refused,
                running(Settings(state=f"redis://{who}{where}")),
            ):
                pass
            told = str(refused.value).replace("redis://wrong:***@", "")
            assert "wrong" not in told
            assert told.endswith("; write redis://USER:PASSWORD@HOST:PORT/DB, or " + _ALONE)
        with running(Settings(timing="instant", state=f"redis://:s3cret@{where}")) as mock:
            assert mock.submit()["status"] == "IN_QUEUE"
            shown = mock.http.get("/__falkit/settings")
            assert "s3cret" not in shown.text


def test_redis_may_speak_tls(tmp_path: Path) -> None:
    key, cert = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    _certify(key, cert)
    files = ("--tls-key-file", key, "--tls-cert-file", cert, "--tls-ca-cert-file", cert)
    options = ("--port", "0", "--tls-port", "PORT", *files, "--tls-auth-clients", "no")
    with served_redis(tmp_path / "redis", *options) as redis:
        url = f"rediss://127.0.0.1:{redis.port}/0"
        settings = Settings(timing="instant", state=f"{url}?ssl_ca_certs={cert}")
        with _pair(settings) as (one, other):
            assert other.result(one.submit()).status_code == 200
        with (
            pytest.raises(SettingsError, match=r"can't be asked.*certificate verify failed"),
            running(Settings(state=url)),
        ):
            pass


def _certify(key_file: str, cert_file: str) -> None:
    """Write a key and a certificate of this machine's address, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "redis")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    written = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    Path(key_file).write_bytes(written)
    Path(cert_file).write_bytes(made.public_bytes(pem))


def test_an_upload_of_many_chunks_is_read_from_another(tmp_path: Path) -> None:
    data = bytes(range(256)) * 12_000
    with served_redis(tmp_path) as redis, _pair(redis) as (one, other):
        asked = {"file_name": "a.bin", "content_type": "application/octet-stream"}
        opened = one.http.post(_INITIATE, json=asked).json()
        assert other.http.put(opened["upload_url"], content=data).status_code == 200
        read = one.http.get(opened["file_url"])
        assert read.content == data
        part = one.http.get(opened["file_url"], headers={"range": "bytes=1048570-1048590"})
        assert part.content == data[1048570:1048591]
        blobs = redis.ask("KEYS", "falkit:blob:*")
        assert [redis.ask("TTL", blob) for blob in blobs] == [-1], "it stays"
        one.http.post("/__falkit/reset", json={})
        assert redis.ask("KEYS", "falkit:blob:*") == []


def test_a_state_in_redis_is_verified_pruned_exported_and_imported(tmp_path: Path) -> None:
    def falkit(*words: str) -> Result:
        return CliRunner().invoke(state, [*words])

    with served_redis(tmp_path) as redis, _pair(redis) as (one, other):
        asked = {"file_name": "a.bin", "content_type": "application/octet-stream"}
        opened = one.http.post(_INITIATE, json=asked).json()
        other.http.put(opened["upload_url"], content=b"an upload")
        jobs = [mock.submit() for mock in (one, other)]
        shown = falkit("verify", redis.url).output
        assert shown == f"{redis.url}: a whole state, 2 jobs and 1 upload\n"
        empty = falkit("verify", f"{redis.url}?prefix=none")
        assert (empty.exit_code, "has no state" in empty.output) == (2, True)
        exported = one.http.get("/__falkit/state", headers={"x-falkit-client": "test"})
        one.http.post("/__falkit/clock/advance", json={"seconds": 7200})
        shown = falkit("prune", redis.url, "--keep", "1h").output
        assert shown == f"{redis.url}: 0 jobs and 0 uploads\n"
        for mock in (one, other):
            assert mock.http.get(jobs[0]["status_url"]).status_code == 404
            assert mock.http.get(opened["file_url"]).status_code == 404
        restored = other.http.put("/__falkit/state", content=exported.content)
        assert restored.json()["jobs"] == 2, restored.text
        for mock in (one, other):
            assert all(mock.result(job).status_code == 200 for job in jobs)
            assert mock.http.get(opened["file_url"]).content == b"an upload"
        (blob,) = redis.ask("KEYS", "falkit:blob:*")
        redis.ask("HSET", blob, 0, "another up")
        damaged = falkit("verify", redis.url)
        assert (damaged.exit_code, "is not what was uploaded" in damaged.output) == (2, True)


def test_uploads_may_be_in_a_folder_that_all_see(tmp_path: Path) -> None:
    with served_redis(tmp_path / "redis") as redis:
        folder = tmp_path / "uploads"
        settings = Settings(timing="instant", state=f"{redis.url}?uploads={folder}")
        with pytest.raises(SettingsError, match="there is no folder"), running(settings):
            pass
        folder.mkdir()
        with _pair(settings) as (one, other):
            asked = {"file_name": "a.bin", "content_type": "application/octet-stream"}
            opened = one.http.post(_INITIATE, json=asked).json()
            assert other.http.put(opened["upload_url"], content=b"bytes").status_code == 200
            assert one.http.get(opened["file_url"]).content == b"bytes"
            assert [file.read_bytes() for file in folder.iterdir()] == [b"bytes"]
            other.http.post("/__falkit/reset", json={})
            assert [*folder.iterdir()] == []


def test_no_reply_comes_before_its_commit(tmp_path: Path) -> None:
    with served_redis(tmp_path) as redis, _pair(redis) as (one, _):
        one.submit()
        redis.ask("CLIENT", "PAUSE", 60_000, "WRITE")
        with pytest.raises(httpx.ReadTimeout):
            one.http.post(
                "/queue.fal.run/fal-ai/ltx-2/text-to-video", json={"prompt": "a"}, timeout=0.5
            )
        redis.ask("CLIENT", "UNPAUSE")
        _back(one)


def test_nobody_waits_for_a_webhook_that_a_cancelled_job_does_not_get(
    tmp_path: Path, receiver: Receiver
) -> None:
    with served_redis(tmp_path) as redis:
        settings = Settings(
            timing="60,60",
            clock="manual",
            state=redis.url,
            assumptions=Assumptions(cancelled_webhook="none"),
        )
        with _pair(settings) as (one, other):
            for mock in (one, other):
                job = mock.submit(params={"fal_webhook": receiver.url})
                assert redis.ask("ZCARD", "falkit:due") == 1
                assert mock.cancel(job).status_code == 202
                for each in (one, other):
                    assert each.status(job)["status"] == "COMPLETED"
                    while each.service.webhooks.undelivered:
                        pass
                while redis.ask("ZCARD", "falkit:due") or redis.ask("XLEN", "falkit:deliveries"):
                    pass
            assert other.http.get("/__falkit/deliveries").json()["deliveries"] == []
