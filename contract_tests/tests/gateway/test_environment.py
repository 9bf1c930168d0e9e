"""The variables that lead a program to the gateway, over whatever it has already."""

from __future__ import annotations

import io
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import certifi
import dotenv
import pytest

from falkit_mock.cli.gateway import SHELLS, render
from falkit_mock.gateway import GatewayError
from falkit_mock.gateway.authority import Authority
from falkit_mock.gateway.environment import KEYS, PRELOAD, variables
from falkit_mock.settings import Settings
from gated import Gated
from processes import FALKIT
from serving import T2V, running

URL = "http://127.0.0.1:4326"
AWKWARD = {"A": "plain", "B": "two words", "C": "it's $HOME \\ `x`", "D": 'a "quoted" one', "E": ""}


@pytest.fixture(scope="module")
def authority(authority_folder: Path) -> Authority:
    return Authority.open(authority_folder)


def test_proxies_are_set_in_both_cases_with_loopback_excepted(authority: Authority) -> None:
    found = variables(URL, authority, "allow", {"NO_PROXY": "*", "no_proxy": "fal.run"})
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        assert found[name] == found[name.upper()] == URL
    assert found["NO_PROXY"] == found["no_proxy"] == "localhost,127.0.0.1,::1"


def test_programs_that_know_falkit_are_led_to_this_mock(authority: Authority) -> None:
    environ = {"FALKIT_BASE_URL": "http://127.0.0.1:4325"}
    assert variables(URL, authority, "allow", environ)["FALKIT_BASE_URL"] == URL
    mock = "http://127.0.0.1:5000"
    assert variables(URL, authority, "allow", environ, mock=mock)["FALKIT_BASE_URL"] == mock


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "falkit:falkit"),
        ({"FAL_KEY": ""}, "falkit:falkit"),
        ({"FAL_KEY_ID": "a"}, "falkit:falkit"),
        ({"FAL_KEY": "mine"}, None),
        ({"FAL_KEY_ID": "a", "FAL_KEY_SECRET": "b"}, None),
    ],
)
def test_a_key_is_set_where_there_is_none(
    authority: Authority, environ: dict[str, str], expected: str | None
) -> None:
    found = variables(URL, authority, "allow", environ)
    assert found.get("FAL_KEY") == found.get("FAL_AI_API_KEY") == expected
    other = variables(URL, authority, "allow", {**environ, "FAL_AI_API_KEY": "litellm's"})
    assert (other.get("FAL_KEY"), "FAL_AI_API_KEY" in other) == (expected, False)


def test_the_roots_are_the_normal_ones_and_ours(authority: Authority) -> None:
    found = variables(URL, authority, "allow", {})
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    boto, grpc = "AWS_CA_BUNDLE", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
    assert len({found[name] for name in (*names, boto, grpc)}) == 1
    roots = Path(found["SSL_CERT_FILE"]).read_bytes()
    assert roots.count(b"BEGIN CERTIFICATE") > 50
    assert authority.public() in roots
    assert found["NODE_EXTRA_CA_CERTS"] == str(authority.certificate)


def test_where_nothing_is_let_out_falkits_authority_is_enough(
    authority: Authority, tmp_path: Path
) -> None:
    own = str(authority.certificate)
    usual = {"SSL_CERT_FILE": ssl.get_default_verify_paths().openssl_cafile}
    for environ in ({}, usual):
        assert variables(URL, authority, "block", environ)["SSL_CERT_FILE"] == own
    # A service on this machine may need it.
    (tmp_path / "mine.pem").write_bytes(b"mine\n")
    found = variables(URL, authority, "block", {"SSL_CERT_FILE": str(tmp_path / "mine.pem")})
    assert Path(found["SSL_CERT_FILE"]).read_bytes() == b"mine\n" + authority.public()


def test_certifis_roots_are_taken_where_the_system_has_none(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: SimpleNamespace(cafile=None))
    roots = Path(variables(URL, authority, "allow", {})["SSL_CERT_FILE"]).read_bytes()
    assert Path(certifi.where()).read_bytes().strip() in roots


def test_roots_that_the_environment_names_already_are_kept(
    authority: Authority, tmp_path: Path
) -> None:
    for name in ("one", "two", "three"):
        (tmp_path / name).write_bytes(f"{name}\n".encode())
    environ = {
        "SSL_CERT_FILE": str(tmp_path / "one"),
        "REQUESTS_CA_BUNDLE": str(tmp_path / "two"),
        "CURL_CA_BUNDLE": str(tmp_path / "one"),
        "AWS_CA_BUNDLE": str(tmp_path / "two"),
        "NODE_EXTRA_CA_CERTS": str(tmp_path / "three"),
    }
    found = variables(URL, authority, "allow", environ)
    ours = authority.public()
    assert Path(found["SSL_CERT_FILE"]).read_bytes() == b"one\ntwo\n" + ours
    assert Path(found["NODE_EXTRA_CA_CERTS"]).read_bytes() == b"three\n" + ours
    assert variables(URL, authority, "allow", {**environ, **found}) == {
        name: value for name, value in found.items() if name not in KEYS
    }


def test_roots_that_are_not_there_are_named_by_their_variable(authority: Authority) -> None:
    with pytest.raises(GatewayError, match="REQUESTS_CA_BUNDLE: can't read /nowhere/roots"):
        variables(URL, authority, "allow", {"REQUESTS_CA_BUNDLE": "/nowhere/roots"})
    # Node warns and goes on.
    found = variables(URL, authority, "allow", {"NODE_EXTRA_CA_CERTS": "/nowhere/roots"})
    assert found["NODE_EXTRA_CA_CERTS"] == str(authority.certificate)


def test_preloads_are_added_once_to_what_is_there(authority: Authority) -> None:
    environ = {"NODE_OPTIONS": "--enable-source-maps", "PYTHONPATH": f"src{os.pathsep}lib"}
    found = variables(URL, authority, "block", environ)
    assert found["NODE_OPTIONS"].startswith("--enable-source-maps --require ")
    assert found["PYTHONPATH"] == os.pathsep.join([str(PRELOAD), "src", "lib"])
    assert found["FALKIT_EGRESS"] == "block"
    again = variables(URL, authority, "block", {**environ, **found})
    assert again["NODE_OPTIONS"] == found["NODE_OPTIONS"]
    assert again["PYTHONPATH"] == found["PYTHONPATH"]


def test_bash_reads_back_every_value() -> None:
    script = render(AWKWARD, "bash") + "".join(f'printf "%s\\n" "${name}"\n' for name in AWKWARD)
    printed = subprocess.check_output(["bash", "-c", script], text=True)
    assert printed.splitlines() == list(AWKWARD.values())


def test_a_dotenv_reader_reads_back_values_without_single_quotes() -> None:
    values = {name: value for name, value in AWKWARD.items() if "'" not in value}
    assert dotenv.dotenv_values(stream=io.StringIO(render(values, "dotenv"))) == values


def test_the_other_shells_quote_as_their_manuals_say() -> None:
    one = {"A": "it's \\ $x"}
    assert render(one, "fish") == "set -gx A 'it\\'s \\\\ $x'\n"
    assert render(one, "pwsh") == "$env:A = 'it''s \\ $x'\n"
    assert render(one, "github") == "A=it's \\ $x\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_env_prints_for_each_shell(gate: Gated, shell: str) -> None:
    printed = _env(gate, "--shell", shell)
    assert printed.returncode == 0, printed.stderr
    for name in ("HTTPS_PROXY", "FALKIT_BASE_URL"):
        (line,) = [line for line in printed.stdout.splitlines() if name in line]
        assert gate.gateway.url in line


def test_github_gets_no_variable_that_its_runners_refuse(gate: Gated) -> None:
    printed = _env(gate, "--shell", "github")
    assert not re.search("^NODE_OPTIONS=", printed.stdout, re.MULTILINE)
    assert "NODE_USE_ENV_PROXY=1\n" in printed.stdout
    assert re.search(r"NODE_OPTIONS: --require \S+falkit\.cjs$", printed.stderr.rstrip())


def _env(gate: Gated, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return _run(gate, "--gateway-port", str(gate.place[1]), *options, **environ)


def _run(gate: Gated, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    folder = str(gate.gateway.authority.key.parent)
    every = {**_outside(), "FALKIT_HOME": folder, **environ}
    command = [FALKIT, "env", *options]
    return subprocess.run(command, env=every, capture_output=True, text=True, timeout=60)


def _outside() -> dict[str, str]:
    own = ("FAL_KEY", "FALKIT_BASE_URL")
    return {name: value for name, value in os.environ.items() if name not in own}


def test_env_asks_the_mock_of_the_environment_for_its_gateway(gate: Gated) -> None:
    asked = _run(gate, FALKIT_BASE_URL=gate.mock)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert asked.stdout == _env(gate).stdout
    again = _run(gate, FALKIT_BASE_URL=gate.gateway.url)
    assert again.stdout == asked.stdout


def test_env_says_what_is_wrong_with_the_mock_of_the_environment(gate: Gated) -> None:
    with running(Settings()) as alone:
        told = _run(gate, FALKIT_BASE_URL=alone.url).stderr
        assert f"the mock at {alone.url.removeprefix('http://')} has no gateway; FALKIT_B" in told
        assert "--gateway-port" in told
    nowhere = _run(gate, FALKIT_BASE_URL="http://127.0.0.1:1").stderr
    assert "no gateway answers at 127.0.0.1:1; FALKIT_BASE_URL is http://127.0.0.1:1" in nowhere
    bare = _run(gate, FALKIT_BASE_URL="127.0.0.1:4325").stderr
    assert "FALKIT_BASE_URL: '127.0.0.1:4325' doesn't begin with http://" in bare


def test_a_shell_that_evaluates_env_reaches_the_mock(gate: Gated) -> None:
    script = (
        f'eval "$({FALKIT} env --gateway-port {gate.place[1]})"\n'
        f'curl -sS https://fal.run/{T2V} -H "Authorization: Key $FAL_KEY" '
        """-H 'Content-Type: application/json' -d '{"prompt": "x"}'"""
    )
    environ = {**_outside(), "FALKIT_HOME": str(gate.gateway.authority.key.parent)}
    answered = subprocess.check_output(["bash", "-c", script], env=environ, text=True, timeout=60)
    assert f'"url":"{gate.mock}/v3b.fal.media/files/' in answered


def test_env_takes_over_what_the_gateway_lets_out(open_gate: Callable[..., Gated]) -> None:
    assert "export FALKIT_EGRESS=block\n" in _env(open_gate(egress="block")).stdout


def test_env_without_a_gateway_is_one_line(gate: Gated, tmp_path: Path) -> None:
    mock_port = gate.mock.rpartition(":")[2]
    nobody = _env(gate, "--gateway-port", "1")
    assert (nobody.returncode, nobody.stdout) == (2, "")
    assert nobody.stderr == (
        "falkit: no gateway answers at 127.0.0.1:1; start one with falkit serve --gateway, or "
        "give its --gateway-port\n"
    )
    other = _env(gate, FALKIT_HOME=str(tmp_path))
    assert other.returncode == 2
    assert "set FALKIT_HOME as it was for falkit serve" in other.stderr
    assert _env(gate, "--gateway-port", mock_port).returncode == 0, "the mock's port tells as well"


@pytest.mark.parametrize("egress", ["allow", "block"])
def test_a_gateway_on_another_machine_is_not_a_host_to_bypass(egress: str) -> None:
    # Nobody answers at the address; what counts is that the program is not told of falkit.
    environ = {"FALKIT_GATEWAY": "http://192.0.2.1:9", "FALKIT_EGRESS": egress, **_outside()}
    python = "import socket; print(socket.getaddrinfo('192.0.2.1', 9)[0][4])"
    found = subprocess.check_output(
        [sys.executable, "-c", python], env={**environ, "PYTHONPATH": str(PRELOAD)}, text=True
    )
    assert found == "('192.0.2.1', 9)\n"
    script = (
        "const s = require('net').connect({host: '192.0.2.1', port: 9, timeout: 100});"
        "for (const e of ['error', 'timeout']) s.on(e, (x) => { console.log(String(x?.message));"
        "process.exit(); });"
    )
    node = ["node", "--require", str(PRELOAD / "falkit.cjs"), "-e", script]
    assert "falkit" not in subprocess.check_output(node, env=environ, text=True)
