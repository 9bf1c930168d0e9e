"""The pytest plugin in suites of its users': keys, marker, strictness, budget, costs, its ends."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from nights import at_night
from processes import started
from pytest_plugin.suites import command, environment, outcome
from serving import T2V

SUITE = f"""
import json
import os
from http.client import HTTPConnection

import fal_client
import pytest

T2V = "{T2V}"
I2V = "fal-ai/ltx-2/image-to-video"
CAT = {{"video": {{"url": "https://example.com/cat.mp4"}}}}
PHOTO = {{"prompt": "A cat", "image_url": "https://example.com/cat.png"}}
RAIN = {{"prompt": "Rain"}}


def post(host, endpoint, body):
    # As code of one's own would; fal_client takes a tenth of a second for its first call.
    connection = HTTPConnection(os.environ["FALKIT_BASE_URL"].removeprefix("http://"))
    headers = {{"Authorization": "Key " + os.environ["FAL_KEY"]}}
    headers["Content-Type"] = "application/json"
    connection.request("POST", f"/{{host}}/{{endpoint}}", json.dumps(body), headers)
    told = json.loads(connection.getresponse().read())
    connection.close()
    return told


@pytest.mark.parametrize("number", range(2))
def test_alone(fal_server, number):
    fal_client.run(T2V, {{"prompt": f"Rain {{number}}"}})
    assert [job.input["prompt"] for job in fal_server.jobs] == [f"Rain {{number}}"]
    assert os.environ["FAL_KEY"] == fal_server.key
    assert fal_server.jobs[0].key == fal_server.key.partition(":")[0]
    assert "FAL_KEY_SECRET" not in os.environ
    print(os.environ["FALKIT_BASE_URL"])


@pytest.mark.fal(seed=7, faults=["content_policy_violation"], outputs={{I2V: CAT}})
def test_marked(fal_server):
    first = post("queue.fal.run", T2V, RAIN)["request_id"]
    fal_server.faults.clear()
    assert post("fal.run", T2V, RAIN)["video"]["url"] != CAT["video"]["url"]
    fal_server.reset()
    assert [rule.text[:6] for rule in fal_server.faults] == ["conten", "output"]
    assert "detail" in post("fal.run", T2V, RAIN)
    assert fal_server.jobs[0].request_id == first
    fal_server.faults.remove(fal_server.faults[0].id)
    assert post("fal.run", I2V, PHOTO) == CAT


@pytest.mark.fal(timing="instant", seed=1)
class TestNearest:
    def test_of_the_class(self, fal_server):
        post("queue.fal.run", T2V, RAIN)
        assert fal_server.jobs[0].status == "COMPLETED"

    @pytest.mark.fal(timing="polls")
    def test_of_the_function(self, fal_server, make_fal_server):
        post("queue.fal.run", T2V, RAIN)
        assert fal_server.jobs[0].status == "IN_QUEUE"
        other = make_fal_server(timing="held")
        assert other.settings.seed == 1
        assert other.jobs == []
        assert make_fal_server(tenants=True).tenant("a").jobs == []


def test_documents_of_the_project(fal_mock):
    assert fal_client.run("someone/clip", PHOTO)["video"]


def test_documents_of_the_project_on_a_server(fal_server):
    assert post("fal.run", "someone/clip", PHOTO)["video"]


@pytest.mark.fal(strict=True)
def test_strict(fal_server):
    post("fal.run", T2V, {{"prompt": "Rain", "duratoin": 8}})


@pytest.mark.fal(strict=True)
def test_strict_about_what_fal_refuses_itself(fal_server):
    assert "detail" in post("fal.run", T2V, {{"prompt": "Rain", "duration": "8"}})


def test_told(fal_server):
    assert "video" in post("fal.run", T2V, {{"prompt": "Rain", "duration": "8"}})


@pytest.mark.fal(budget=0.4)
def test_budget(fal_server):
    for _ in range(2):
        post("fal.run", T2V, RAIN)


@pytest.mark.fal(budget="0.36")
def test_within_the_budget(fal_server):
    post("fal.run", T2V, RAIN)
    post("fal.run", "fal-ai/fast-sdxl", RAIN)
    assert fal_server.jobs[0].request_id == "019b76da-a801-7f53-aea4-f8da393fcffb"


@pytest.mark.fal(timing="instnt")
def test_value(fal_server):
    pass


@pytest.mark.fal(strct=True)
def test_name(fal_server):
    pass


@pytest.mark.fal("instant")
def test_nameless(fal_server):
    pass


@pytest.mark.fal(budget="cheap")
def test_price(fal_server):
    pass


@pytest.mark.fal(faults=["no_such_fault"])
def test_fault(fal_server):
    pass


@pytest.mark.fal(tenants=True)
def test_many(fal_server):
    pass


@pytest.mark.fal(outputs={{T2V: {{"images": []}}}})
def test_output(fal_mock):
    pass


def test_two(fal_server, fal_mock):
    pass


def test_without():
    assert os.environ["FAL_KEY"] == "real:key"
    assert "FALKIT_BASE_URL" not in os.environ
"""
CONFTEST = """
import pytest


@pytest.fixture(scope="session")
def fal_settings():
    return {"seed": 5, "strict": False}
"""
DOCUMENTS = Path(__file__).parents[1] / "documents" / "someone"
MARK = "pytest.mark.fal: "
# What each begins to say.
FAILED = {
    "test_strict": f"{MARK}strict: fal would have passed over this in silence: POST fal.run/{T2V}: "
    f"ignored, since {T2V} has no such input: duratoin (did you mean duration?)",
    "test_budget": f"{MARK}budget: $0.40, and the calls would have cost $0.72: "
    f"{T2V} $0.72 (2 jobs)",
    "test_value": f"{MARK}timing: 'instnt' is none of instant, polls, held, realistic or QUEUE,RUN",
    "test_name": f"{MARK}strct: no setting has this name; did you mean strict?",
    "test_nameless": f"{MARK}'instant' has no name; write timing='instant', seed=7 …",
    "test_price": f"{MARK}budget: 'cheap' isn't an amount; give US dollars such as 2.50",
    "test_fault": f"{MARK}faults: fault: 'no_such_fault' isn't a fault; `falkit faults` lists them",
    "test_many": f"{MARK}tenants: isn't for one test; make_fal_server(tenants=…) takes it",
    "test_output": f"{MARK}outputs: {{'images': []}} isn't an output of {T2V}: it lacks video",
    "test_two": "fal_server and fal_mock both lead calls to fal to a mock of theirs; use one",
}


# In one test, since each worker of ours would run the suite for those that it gets.
def test_two_workers_share_a_server_and_do_as_the_markers_say(
    tmp_path: Path, authority_folder: Path
) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    place = tmp_path / "fal-documents" / "someone"
    place.mkdir(parents=True)
    (place / "clip.json").write_bytes((DOCUMENTS / "clip.json").read_bytes())
    words, token = ("-p", "xdist", "-n", "2", "-rP"), {"FALKIT_CONTROL_TOKEN": "of another mock"}
    suite = outcome(tmp_path, authority_folder, *words, **token)
    failed = {name: told for name, told in suite.tests.items() if told != "passed"}
    assert failed.keys() == {*FAILED, "test_told"}, suite.said
    assert suite.counts.startswith("3 failed, 10 passed, 8 errors")
    del failed["test_told"]
    hints = suite.said.partition("- Captured fal call -")[2].splitlines()[1]
    assert hints.startswith(f"422 POST fal.run/{T2V}: duration: the document lists integers, so")
    for name, told in failed.items():
        assert told.startswith(FAILED[name])
        assert "\n" not in told
    lines = suite.said.splitlines()
    assert len({line for line in lines if line.startswith("http://127.0.0.1:")}) == 1
    (costs,) = [line for line in lines if "would have cost" in line and "jobs of" in line]
    assert costs == "15 jobs of 11 tests would have cost at least $3.60, 3 of unknown price"
    assert suite.properties["test_budget"] == {
        "fal_cost_usd": "0.72",
        "fal_jobs": "2",
        "fal_jobs_of_unknown_price": "0",
    }
    assert suite.properties["test_without"] == {}


IMPORTED = """
import json, sys
import pytest, _pytest.config
before = {*sys.modules}
import falkit_contract.pytest_plugin
print(json.dumps(sorted({*sys.modules} - before)))
"""


def test_the_plugin_imports_nothing_until_it_is_used() -> None:
    told = subprocess.check_output([sys.executable, "-c", IMPORTED], text=True)
    ours = ["falkit", "falkit.submitted", "falkit_contract", "falkit_contract.pytest_plugin"]
    assert json.loads(told) == ours


def test_a_run_without_a_mock_is_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test_nothing.py").write_text("def test_nothing(): pass\n")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    words = ["-p", "falkit", "-p", "no:cacheprovider", "--strict-markers", "--rootdir"]
    assert pytest.main([*words, str(tmp_path), str(tmp_path)]) == 0
    said = capfd.readouterr().out
    assert "1 passed" in said
    assert "would have cost" not in said


# All plugins that are here take long to import.
@at_night
def test_a_run_goes_without_the_plugin(tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text("def test_nothing(fal_server): pass\n")
    without = [sys.executable, "-m", "pytest", "-p", "no:falkit", "-p", "no:cacheprovider"]
    done = subprocess.run(without, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "fixture 'fal_server' not found" in done.stdout


KILLED = """
import sys

def test_for_ever(fal_server, capfd):
    with capfd.disabled():
        print(fal_server.url, fal_server.key, file=sys.stderr, flush=True)
        sys.stdin.read()
"""


def test_a_run_that_is_killed_leaves_no_server(tmp_path: Path, authority_folder: Path) -> None:
    (tmp_path / "test_killed.py").write_text(KILLED)
    words = command("-s", "test_killed.py")
    options = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
    around = environment(authority_folder)
    with started(words, cwd=tmp_path, env=around, **options) as run:
        assert run.stderr is not None
        url, key = run.stderr.readline().split()
        headers = {"authorization": f"Key {key}"}
        with httpx.stream("GET", f"{url}/__falkit/events", headers=headers, timeout=30) as events:
            lines = events.iter_lines()
            assert next(lines) == ": falkit"
            run.kill()
            # The stream ends with the server, however that ends.
            with suppress(httpx.HTTPError):
                assert not [line for line in lines if line.startswith("event")]
        # It may still be ending.
        with pytest.raises(httpx.HTTPError):
            until_it_fails(f"{url}/health")


def until_it_fails(url: str) -> None:
    while True:
        httpx.get(url)


LOST = """
import os
import signal

import pytest


@pytest.mark.parametrize("number", range(4))
def test_a_worker_is_lost(fal_server, number):
    assert fal_server.jobs == []
    if number == 1:
        os._exit(1)


def test_a_server_is_lost(fal_server):
    with open(f"/proc/{os.getpid()}/task/{os.getpid()}/children") as children:
        for child in children.read().split():
            os.kill(int(child), signal.SIGKILL)
            os.waitpid(int(child), 0)


def test_there_is_another(fal_server):
    assert fal_server.jobs == []
"""


# It starts six processes.
@at_night
def test_what_is_lost_on_the_way_is_lost_alone(tmp_path: Path, authority_folder: Path) -> None:
    (tmp_path / "test_lost.py").write_text(LOST)
    told = outcome(tmp_path, authority_folder, "-p", "xdist", "-n", "2", "-k", "worker")
    assert [name for name, text in told.tests.items() if text != "passed"] == [
        "test_a_worker_is_lost[1]"
    ], told.said
    told = outcome(tmp_path, authority_folder, "-k", "not worker")
    assert told.counts == "2 passed, 4 deselected", told.said
