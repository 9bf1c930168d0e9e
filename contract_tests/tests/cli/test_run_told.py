"""What `falkit run` says while its program runs, and that it says nothing when told to."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from falkit_mock.gateway.authority import Authority
from processes import FALKIT
from serving import PATIENCE, T2V

FAILS = f"""
import httpx, os, sys, time
url, headers = "https://queue.fal.run/{T2V}", {{"Authorization": "Key a:b"}}
for duration in (7, 7, 6):
    hook = {{"fal_webhook": "http://127.0.0.1:9/hook"}}
    body = {{"prompt": "x", "duration": duration}}
    job = httpx.post(url, headers=headers, params=hook, json=body).json()
base = os.environ["FALKIT_BASE_URL"] + "/__falkit/deliveries"
for _ in range(200):
    if httpx.get(base, trust_env=False).json()["total"] >= 3:
        break
    time.sleep(0.05)
print("the program ends", file=sys.stderr)
"""


def run(home: Path, *options: str, program: str = FAILS) -> subprocess.CompletedProcess[str]:
    command = [FALKIT, "run", "--timing", "instant", *options, "--", sys.executable, "-c", program]
    environ = {**os.environ, "FALKIT_HOME": str(home)}
    return subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=6 * PATIENCE
    )


def test_the_url_and_failures_are_printed_at_once(tmp_path: Path) -> None:
    said, _, summary = run(tmp_path).stderr.partition("the program ends\n")
    started, *lines = said.splitlines()
    assert re.fullmatch(r"falkit: mock at http://127\.0\.0\.1:\d+", started)
    text = re.sub(r"\d\d:\d\d:\d\d ", "", "\n".join(lines))
    assert text.count(f"422 JOB  {T2V}  failed  ") == 1, "those that fail alike are told once"
    assert "\n         duration: " in text
    assert text.count("--- HOOK http://127.0.0.1:9/hook  ") == 1
    assert summary.startswith("falkit: 3 requests; 3 jobs: 1 done, 2 failed; would have cost $0.36")
    assert f"  job failed: 422 {T2V}: duration: " in summary


def test_quiet_says_nothing(tmp_path: Path) -> None:
    rule = "hang endpoint=no/such/*"
    assert run(tmp_path, "--quiet", "--fault", rule).stderr == "the program ends\n"


@pytest.mark.parametrize("verbose", [True, False])
def test_each_request_is_printed_with_verbose(tmp_path: Path, verbose: bool) -> None:
    state = ["--state", str(tmp_path / "a.state")]
    said = run(tmp_path, *state, *(["--verbose"] if verbose else [])).stderr
    assert re.match(rf"falkit: mock at http://127\.0\.0\.1:\d+; state {state[1]}\n", said)
    assert said.count(f" 200 POST queue.fal.run/{T2V}") == (3 if verbose else 0)
    assert said.count(" JOB  ") == (2 if verbose else 1)


DISTRUSTS = """
import httpx, ssl
try:
    httpx.get("https://rest.fal.ai/x", verify=ssl.create_default_context(cafile=CAFILE))
except httpx.ConnectError as error:
    print(error)
"""


def test_connections_on_which_no_request_came_are_named_with_the_fix(tmp_path: Path) -> None:
    # A root of its own, that has signed for nobody.
    other = Authority.open(tmp_path / "other").certificate
    done = run(tmp_path / "home", program=DISTRUSTS.replace("CAFILE", repr(str(other))))
    assert "CERTIFICATE_VERIFY_FAILED" in done.stdout, done.stderr
    assert done.stderr.endswith(
        """
  1 connection to rest.fal.ai ended before a request: falkit's certificate was
    refused; give the program the file of `falkit cert path` to trust
    (docs/run.md)
"""
    )


CLIP = f"""
import httpx, os, sys
headers = {{"Authorization": "Key " + os.environ["FAL_KEY"]}}
reply = httpx.post("https://fal.run/{T2V}", headers=headers, json={{"prompt": "x"}})
url = reply.json()["video"]["url"]
print(url)
"""
UNREAD = {
    "auto": "--media-host real names clips as fal does",
    "real": "--media-host auto names clips by",
}


@pytest.mark.parametrize(
    ("media_host", "rest", "told"),
    [
        ("auto", "sys.exit(1)", True),
        ("real", "sys.exit(1)", True),
        ("real", "sys.exit(0)", False),
        ("real", "httpx.get(url); sys.exit(1)", False),
    ],
)
def test_a_program_that_fails_without_its_clip_learns_how_else_it_is_named(
    tmp_path: Path, media_host: str, rest: str, told: bool
) -> None:
    done = run(tmp_path, "--media-host", media_host, program=CLIP + rest)
    here = done.stdout.startswith("http://127.0.0.1:")
    assert here is (media_host == "auto")
    said = " ".join(done.stderr.split())
    assert ("ended before it fetched its clip; " in said) is told
    assert (UNREAD[media_host] in said) is told
