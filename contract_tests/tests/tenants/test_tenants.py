"""A mock with tenants: whose a request is, and what one key is told of another's."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from control.test_state import CLIENT
from falkit import Mock as PythonMock, Settings
from falkit_mock.cli import main
from falkit_mock.core.settings import SettingsError
from receiver import Receiver, Reply, receiving
from serving import KEY, PROMPT, RETAKE, START, T2V, Mock, Serve, running

OTHER = {"authorization": "Key other:secret"}
NOBODY = {"authorization": ""}
INITIATE = "/rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3"


def upload(mock: Mock, data: bytes = b"some bytes", lifecycle: str = "") -> str:
    """Upload a file as `id`; return its URL."""
    about = {"file_name": "a.txt", "content_type": "text/plain"}
    headers = {"x-fal-object-lifecycle": lifecycle} if lifecycle else {}
    opened = mock.http.post(INITIATE, json=about, headers=headers).json()
    httpx.put(opened["upload_url"], content=data).raise_for_status()
    return str(opened["file_url"])


def keys(mock: Mock) -> list[str]:
    listed = httpx.get(f"{mock.url}/__falkit/tenants").json()["tenants"]
    return [one["key"] for one in listed]


@pytest.fixture
def shared(serve: Serve) -> Mock:
    return serve("instant", tenants=True, seed=1)


def test_by_default_any_key_reads_any_job(serve: Serve) -> None:
    mock = serve("instant")
    job = mock.submit()
    assert httpx.get(job["response_url"], headers=OTHER).status_code == 200


def test_another_keys_job_is_unknown(shared: Mock) -> None:
    job = shared.submit()
    shared.submit(headers=OTHER)
    unknown = httpx.get(job["response_url"].replace(job["request_id"], "none"), headers=OTHER)
    for url in (job["response_url"], job["status_url"]):
        reply = httpx.get(url, headers=OTHER)
        assert (reply.status_code, reply.json()) == (404, unknown.json())
    assert httpx.put(job["cancel_url"], headers=OTHER).status_code == 404
    control = f"{shared.url}/__falkit/jobs/{job['request_id']}"
    assert httpx.get(control, headers=OTHER).status_code == 404
    assert httpx.get(control, params={"key": "id"}).status_code == 200
    assert shared.result(job).status_code == 200


def test_one_keys_load_takes_no_others_runner(serve: Serve) -> None:
    mock = serve("0,60", tenants=True, runners=1)
    assert [mock.submit()["queue_position"] for _ in range(4)] == [0, 0, 1, 2]
    job = mock.submit(headers=OTHER)
    assert httpx.get(job["status_url"], headers=OTHER).json()["status"] == "IN_PROGRESS"


def test_files_are_public_by_their_url(shared: Mock) -> None:
    made = shared.result(shared.submit()).json()["video"]["url"]
    shared.submit(headers=OTHER)
    for url in (made, upload(shared)):
        for headers in (NOBODY, OTHER, KEY):
            assert httpx.get(url, headers=headers).status_code == 200


def test_a_key_opens_no_file_of_another_that_is_closed_to_others(shared: Mock) -> None:
    shared.submit(headers=OTHER)
    closed = json.dumps({"initial_acl": {"default": "forbid"}})
    url = upload(shared, lifecycle=closed)
    told = [httpx.get(url, headers=one).status_code for one in (KEY, OTHER, NOBODY)]
    assert told == [200, 403, 403]


def test_another_keys_file_is_an_input_unless_it_is_closed(shared: Mock) -> None:
    shared.submit(headers=OTHER)
    closed = json.dumps({"initial_acl": {"default": "forbid"}})
    clip = shared.result(shared.submit()).json()["video"]["url"]
    text, own = upload(shared), upload(shared, lifecycle=closed)

    def refused(url: str, headers: dict[str, str]) -> str:
        reply = shared.run({**PROMPT, "video_url": url}, RETAKE, headers=headers)
        return "" if reply.status_code == 200 else str(reply.json()["detail"][0]["type"])

    assert refused(clip, OTHER) == refused(clip, KEY) == ""
    # It is no video, whoever looks.
    assert refused(text, OTHER) == refused(text, KEY) != ""
    assert refused(own, OTHER) == "file_download_error" != refused(own, KEY)


def test_a_token_is_its_issuers(shared: Mock) -> None:
    made = shared.http.post("/rest.fal.ai/storage/auth/token?storage_type=fal-cdn-v3", json={})
    bearer = {"authorization": f"Bearer {made.json()['token']}", "content-type": "text/plain"}
    shared.submit(headers=OTHER)
    sent = httpx.post(f"{shared.url}/v3b.fal.media/files/upload", content=b"x", headers=bearer)
    assert httpx.get(sent.json()["access_url"]).content == b"x"
    listed = httpx.get(f"{shared.url}/__falkit/tenants").json()["tenants"]
    assert {one["key"]: one["uploads"] for one in listed} == {"id": 1, "other": 0}
    token = shared.http.post("/rest.fal.ai/tokens/", json={"allowed_apps": ["ltx-2"]}).json()
    run = f"{shared.url}/fal.run/{T2V}"
    assert httpx.post(run, json=PROMPT, params={"fal_jwt_token": token}).status_code == 200
    assert len(shared.jobs()) == 1
    forged = httpx.post(run, json=PROMPT, params={"fal_jwt_token": token[:-4] + "AAAA"})
    assert (forged.status_code, keys(shared)) == (401, ["id", "other"])


def test_tokens_of_hugging_face_are_tenants_too(shared: Mock) -> None:
    for name in ("hf_one", "hf_two", "hf_one"):
        reply = httpx.post(
            f"{shared.url}/fal-ai/{T2V}",
            json=PROMPT,
            headers={"host": "router.huggingface.co", "authorization": f"Bearer {name}"},
        )
        assert reply.status_code == 200, reply.text
    assert len(keys(shared)) == 2
    assert not [key for key in keys(shared) if "hf_" in key]


def test_what_is_refused_makes_no_tenant(serve: Serve) -> None:
    mock = serve("instant", tenants=True, api_keys=["id:secret", "other:secret"])
    for headers in (NOBODY, {"authorization": "Key id:wrong"}, {"authorization": "Key else:x"}):
        reply = httpx.post(f"{mock.url}/queue.fal.run/{T2V}", json=PROMPT, headers=headers)
        assert reply.status_code == 401
    page = {**KEY, "origin": "https://example.com"}
    assert httpx.get(f"{mock.url}/__falkit/jobs", headers=page).status_code == 403
    reply = httpx.get(f"{mock.url}/__falkit/jobs", params={"key": "else"})
    assert (reply.status_code, "started with" in reply.text) == (404, True)
    assert keys(mock) == []
    assert mock.submit()["request_id"]
    assert keys(mock) == ["id"]


def test_there_are_no_more_tenants_than_there_may_be(serve: Serve) -> None:
    mock = serve("instant", tenants=True, max_tenants=1)
    mock.submit()
    for path in (f"/queue.fal.run/{T2V}", "/__falkit/reset"):
        reply = httpx.post(f"{mock.url}{path}", json={}, headers=OTHER)
        assert (reply.status_code, "--max-tenants" in reply.headers["x-falkit-hint"]) == (507, True)
    assert mock.submit()["request_id"]


def test_the_control_api_is_about_a_key(shared: Mock) -> None:
    shared.submit()
    base = f"{shared.url}/__falkit"
    for path in ("/jobs", "/clock", "/rules", "/billing", "/deliveries", "/requests", "/state"):
        reply = httpx.get(base + path, headers=CLIENT)
        assert (reply.status_code, "?key=ID" in reply.json()["detail"]) == (400, True)
    assert httpx.post(f"{base}/reset").status_code == 400
    for path in ("", "/", "/openapi.json", "/health", "/faults", "/tenants"):
        assert httpx.get(base + path).status_code == 200
    reply = httpx.get(f"{base}/jobs?limit=5&key=id", headers=OTHER)
    assert (len(reply.json()["jobs"]), reply.headers["x-falkit-tenant"]) == (1, "id")
    assert httpx.get(f"{base}/gateway?key=id").json()["detail"].endswith("--gateway")


def test_a_mock_without_tenants_says_so(mock: Mock) -> None:
    reply = mock.http.get("/__falkit/tenants")
    assert (reply.status_code, "--tenants" in reply.text) == (404, True)


def test_receivers_fetch_the_keys_of_all_tenants(shared: Mock) -> None:
    jwks = "/rest.fal.ai/.well-known/jwks.json"
    own = shared.http.get(jwks).json()["keys"]
    assert httpx.get(shared.url + jwks).json()["keys"] == own
    shared.submit(headers=OTHER)
    made = shared.http.post("/__falkit/webhooks/rotate").json()
    shared.http.delete("/__falkit/webhooks/keys/1")
    assert len(shared.http.get(jwks).json()["keys"]) == 2
    everyone = httpx.get(shared.url + jwks).json()["keys"]
    # The new one is there, and the one withdrawn is still the other tenant's.
    assert len(everyone) == 3, made


def test_a_state_of_a_mock_without_tenants_is_taken_by_one(serve: Serve, shared: Mock) -> None:
    before = serve("instant", seed=3)
    job = before.submit()
    paths = [before.result(job).json()["video"]["url"], upload(before)]
    state = before.http.get("/__falkit/state", headers=CLIENT).content
    shared.submit(headers=OTHER)
    taken = shared.http.put("/__falkit/state", content=state)
    assert (taken.status_code, shared.jobs()[0]["request_id"]) == (200, job["request_id"])
    for url in paths:
        assert httpx.get(url.replace(before.url, shared.url), headers=NOBODY).status_code == 200


class TestQuota:
    def test_so_many_jobs(self, serve: Serve) -> None:
        mock = serve("instant", tenants=True, quota="jobs=2")
        assert [mock.run(PROMPT).status_code for _ in range(2)] == [200, 200]
        refused = mock.http.post(f"/queue.fal.run/{T2V}", json=PROMPT)
        assert refused.status_code == 403
        assert refused.json()["detail"].startswith("User is locked. Reason: Exhausted balance.")
        assert "2 of 2 jobs; --quota" in refused.headers["x-falkit-hint"]
        assert mock.submit(headers=OTHER)["request_id"]
        mock.http.post("/__falkit/reset")
        assert mock.submit()["request_id"]

    def test_so_many_bytes(self, serve: Serve) -> None:
        mock = serve("instant", tenants=True, quota="bytes=3kB")
        upload(mock, b"x" * 2000)
        opened = mock.http.post(INITIATE, json={"file_name": "b", "content_type": "text/plain"})
        url = opened.json()["upload_url"]
        assert httpx.put(url, content=b"x" * 2000).status_code == 403
        assert mock.run({"prompt": "x" * 2000}).status_code == 403
        (one,) = httpx.get(f"{mock.url}/__falkit/tenants").json()["tenants"]
        assert one["bytes"] == 2000
        assert httpx.put(url, content=b"x" * 500).status_code == 200

    def test_what_is_too_old_is_no_part_of_it(self, serve: Serve) -> None:
        mock = serve("instant", tenants=True, quota="jobs=1", keep="1h", clock="manual")
        mock.submit()
        assert mock.run(PROMPT).status_code == 403
        mock.http.post("/__falkit/clock/advance", json={"seconds": 3700})
        assert mock.run(PROMPT).status_code == 200

    @pytest.mark.parametrize(
        "quota", ["", "jobs", "jobs=0", "jobs=-1", "jobs=1kB", "files=3", "bytes=x", "jobs=1,,"]
    )
    def test_one_that_is_none_is_refused(self, quota: str) -> None:
        with pytest.raises(SettingsError, match="isn't a quota; give jobs, bytes or both"):
            Settings(tenants=True, quota=quota)

    def test_one_without_tenants_is_refused(self) -> None:
        with pytest.raises(SettingsError, match="--tenants"):
            Settings(quota="jobs=1")


class TestState:
    def test_each_tenant_goes_on_where_it_was(self, tmp_path: Path) -> None:
        options: dict[str, Any] = {"timing": "10,20", "clock": "manual", "clock_start": START}
        settings = Settings(tenants=True, state=tmp_path / "states", **options)
        odd = {"authorization": "Key ../é /x:secret".encode("latin-1")}
        with receiving() as receiver:
            with running(settings) as mock:
                job = mock.submit(params={"fal_webhook": receiver.url})
                mock.submit(headers=OTHER)
                mock.submit(headers=odd)
                mock.http.post("/__falkit/clock/advance", json={"seconds": 15})
                file = httpx.URL(upload(mock)).path
                moments = [one["now"] for one in _listed(mock)]
            assert not receiver.received
            with running(settings) as mock:
                # All are there before any has asked for anything.
                assert sorted(keys(mock)) == ["../é /x", "id", "other"]
                assert sorted(one["now"] for one in _listed(mock)) == sorted(moments)
                assert httpx.get(mock.url + file).content == b"some bytes"
                assert mock.jobs()[0]["request_id"] == job["request_id"]
                mock.http.post("/__falkit/clock/advance", json={"seconds": 60})
                assert receiver.wait()[0].json["request_id"] == job["request_id"]
        names = {path.name for path in (tmp_path / "states").iterdir()}
        assert len([name for name in names if name.endswith(".state")]) == 3

    def test_webhooks_go_on_without_a_request(self, tmp_path: Path) -> None:
        settings = Settings(tenants=True, state=tmp_path / "states", timing="instant")
        answers = [Reply(503)]

        def answer(_: object) -> Reply:
            return answers[0]

        with receiving(answer) as receiver:
            with running(settings.replace(clock="manual")) as mock:
                mock.submit(params={"fal_webhook": receiver.url})
                receiver.wait()
                mock.http.post("/__falkit/clock/advance", json={"seconds": 0})
                (sent,) = mock.http.get("/__falkit/deliveries").json()["deliveries"]
                wait = sent["next"] - sent["sent"]
                mock.http.post("/__falkit/clock/advance", json={"seconds": wait - 0.2})
                mock.http.post("/__falkit/clock/run")
                before = len(receiver.received)
            answers[0] = Reply()
            with running(settings):
                _taken(receiver, before + 1)

    def test_what_is_no_folder_of_states_is_refused(self, tmp_path: Path) -> None:
        file, folder = tmp_path / "file", tmp_path / "folder"
        file.write_bytes(b"x")
        folder.mkdir()
        with pytest.raises(SettingsError, match="file is a file; with --tenants name a folder"):
            PythonMock(tenants=True, state=file).start()
        with pytest.raises(SettingsError, match="folder is a folder, as --tenants has one"):
            PythonMock(state=folder).start()
        with pytest.raises(SettingsError, match="is a URL; with --tenants name a folder"):
            PythonMock(tenants=True, state="redis://127.0.0.1:1").start()
        (folder / "a.state").write_bytes(b"x" * 200)
        with pytest.raises(SettingsError, match=r"a\.state is no state of falkit"):
            PythonMock(tenants=True, state=folder).start()
        for name in "bc":
            (folder / f"{name}.state").write_bytes(b"")
        with pytest.raises(SettingsError, match=r"max_tenants: .*folder has 3 tenants"):
            PythonMock(tenants=True, state=folder, max_tenants=2).start()

    def test_a_state_that_cannot_say_whose_it_is_is_refused(self, tmp_path: Path) -> None:
        settings = Settings(tenants=True, state=tmp_path / "states")
        with running(settings) as mock:
            mock.submit()
        (file,) = (tmp_path / "states").glob("*.state")
        with closing(sqlite3.connect(file)) as db:
            db.execute("UPDATE facts SET value = x'ff' WHERE name = 'tenant'")
            db.commit()
        # Twice, since the first may leave nothing locked.
        for _ in range(2):
            with pytest.raises(SettingsError, match=r"\.state: whose it is can't be read"):
                PythonMock(tenants=True, state=tmp_path / "states").start()


def _listed(mock: Mock) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{mock.url}/__falkit/tenants").json()["tenants"]
    return found


def _taken(receiver: Receiver, count: int) -> None:
    assert receiver.wait(count)[-1].json["status"] == "OK"


class TestCommands:
    def test_a_command_is_about_the_key_that_it_names(
        self, shared: Mock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FALKIT_BASE_URL", shared.url)
        job = shared.submit()
        monkeypatch.setenv("FAL_KEY", "id:secret")
        main(["jobs"])
        told = capsys.readouterr()
        assert job["request_id"] in told.out
        assert told.err == "falkit: of the key id\n1 job, $0.36\n"
        main(["reset", "--key", "other"])
        assert "of the key other" in capsys.readouterr().err
        main(["jobs", "--key", "id"])
        assert job["request_id"] in capsys.readouterr().out
        main(["tenants"])
        told = capsys.readouterr()
        assert told.out.startswith("id  1 job, 0 uploads, ")
        assert told.err == ""

    def test_without_a_key_the_fix_is_named(
        self, shared: Mock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("FAL_KEY", raising=False)
        with pytest.raises(SystemExit):
            main(["reset", "--base-url", shared.url])
        assert "--key or FAL_KEY" in capsys.readouterr().err


def test_python_asks_for_one_keys_mock() -> None:
    with PythonMock(tenants=True, timing="instant", api_keys=["a:1", "b:2"]) as mock:
        run = f"{mock.url}/fal.run/{T2V}"
        one, another = mock.tenant("a:1"), mock.tenant("b")
        one.pin(T2V, {"video": {"url": "https://example.com/a.mp4"}})
        for key in ("a:1", "b:2"):
            httpx.post(run, json=PROMPT, headers={"authorization": f"Key {key}"})
        assert one.jobs[0].output["video"]["url"] == "https://example.com/a.mp4"
        assert another.jobs[0].output["video"]["url"] != "https://example.com/a.mp4"
        one.reset()
        assert (len(one.jobs), len(another.jobs), len(another.requests)) == (0, 1, 1)
        with pytest.raises(RuntimeError, match=r"ask mock\.tenant"):
            mock.jobs[0]
        with pytest.raises(ValueError, match="'c' isn't one of this mock's"):
            mock.tenant("c")
