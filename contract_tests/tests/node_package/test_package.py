"""falkit's npm package by itself: what it holds, starts, leads, refuses and leaves behind."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from clients.javascript_client import node
from falkit_mock.cli.options import SERVE_OPTIONS
from falkit_mock.control import document
from falkit_mock.gateway.environment import PRELOAD
from nights import NIGHTLY
from node_package.installed import HERE, PACKAGE, ROOT, environ, passed, run
from processes import FALKIT, end, started
from serving import PATIENCE

ABOUT = json.loads((PACKAGE / "package.json").read_text())
SUBMIT = """
const submit = () => fetch("https://queue.fal.run/fal-ai/ltx-2/text-to-video", {
  method: "POST",
  headers: { authorization: `Key ${process.env.FAL_KEY}` },
  body: '{"prompt": "Rain"}',
});
"""
# An error as one line, with its cause.
TOLD = "catch((error) => console.log(error.cause?.message ?? error.message));"


@pytest.fixture
def script(installed: Path, authority_folder: Path) -> Callable[..., str]:
    """Run a module in a project with the package, to its end; return what it printed."""

    def run_module(code: str, **more: str) -> str:
        env = environ(authority_folder, **more)
        return passed(run(installed, "--input-type=module", "-e", code, env=env))

    return run_module


def test_the_tarball_has_code_and_types_and_nothing_else(installed: Path) -> None:
    folder = installed / "node_modules" / "falkit"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    sources = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*") if path.is_file()}
    assert files == sources
    for name, entry in ABOUT["exports"].items():
        for file in [entry] if isinstance(entry, str) else entry.values():
            assert file.removeprefix("./") in files, name
    assert not ABOUT.keys() & {"dependencies", "scripts", "optionalDependencies"}


def test_the_version_is_that_of_the_python_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert ABOUT["version"] == project["version"]
    assert ABOUT["license"] == project["license"]
    assert (PACKAGE / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.*js")), ids=lambda path: path.name)
def test_no_module_is_longer_than_four_hundred_lines(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 400


def test_it_leads_the_names_that_falkit_run_leads() -> None:
    def names(file: Path) -> list[str]:
        return re.findall(r"(?:fal|FAL|here|HERE) = (/.+/i);", file.read_text())

    assert names(PACKAGE / "lib" / "lead.js") == names(PRELOAD / "falkit.cjs")
    assert len(names(PRELOAD / "falkit.cjs")) == 2


def test_entries_export_what_their_types_declare(script: Callable[..., str]) -> None:
    entries = [name.removeprefix(".") for name in ABOUT["exports"] if "." not in name[1:]]
    # Those of runners can be imported in tests of theirs alone.
    for name in [each for each in entries if each in ("", "/global-setup", "/node-test")]:
        code = f'console.log(Object.keys(await import("falkit{name}")).sort().join(" "))'
        declared = (PACKAGE / f"{name.removeprefix('/') or 'index'}.d.ts").read_text()
        named = set(re.findall(r"^export (?:function|class) (\w+)", declared, re.MULTILINE))
        named |= {"default"} if "export default" in declared else set()
        assert script(code).split() == sorted(named)


def test_options_are_those_of_the_command_line() -> None:
    declared = (PACKAGE / "index.d.ts").read_text().partition("interface FalOptions {")[2]
    names = re.findall(r"^  (\w+)\?:", declared.partition("\n}")[0], re.MULTILINE)
    of_the_package = ["faults", "key", "url", "command", "log", "failOn", "allow"]
    assert names[-7:] == of_the_package
    passed_on = names[:-7]
    several = {"apiKeys": "api-key", "outputs": "output"}
    kebab = (re.sub("[A-Z]", lambda one: f"-{one[0].lower()}", name) for name in passed_on)
    options = {word for option in SERVE_OPTIONS for word in option.opts}
    assert {
        f"--{several.get(name, word)}" for name, word in zip(passed_on, kebab, strict=True)
    } <= options


@pytest.mark.parametrize(
    ("interface", "schema"),
    [
        ("Job", "WholeJob"),
        ("Request", "Request"),
        ("Delivery", "Delivery"),
        ("RuleState", "RuleState"),
        ("Moment", "Clock"),
        ("Billing", "Billing"),
        ("Spend extends Billing", "Spend"),
        ("Finding", "Finding"),
    ],
)
def test_types_name_what_the_control_api_answers(interface: str, schema: str) -> None:
    declared = (PACKAGE / "index.d.ts").read_text()
    body = declared.partition(f"interface {interface} {{")[2].partition("\n}")[0]
    names = re.findall(r"^  (\w+)\??:", body, re.MULTILINE)
    assert names
    assert {*names} <= document()["components"]["schemas"][schema]["properties"].keys()


def test_commonjs_requires_it(script: Callable[..., str]) -> None:
    code = 'const { createRequire } = await import("node:module"); const require = createRequire('
    code += 'process.cwd() + "/x.js"); console.log(typeof require("falkit").startFal)'
    assert script(code) == "function\n"


def test_after_its_end_fal_is_refused_and_the_environment_as_before(
    script: Callable[..., str],
) -> None:
    printed = script(
        SUBMIT
        + """
        import { startFal } from "falkit";
        const before = JSON.stringify(process.env);
        {
          await using mock = await startFal({ timing: "held", seed: 7, egress: "block" });
          const job = await (await submit()).json();
          await mock.jobs.fail(job, "runner_disconnected");
          console.log((await mock.jobs.get(job)).outcome.error_type, mock.config.proxyUrl.when);
          await fetch("http://example.com").TOLD
          console.log((await fetch(mock.url + "/health")).status);
        }
        console.log(process.env.FAL_KEY, JSON.stringify(process.env) === before);
        await submit().TOLD
        """.replace("TOLD", TOLD),
        FAL_KEY="real",
    )
    assert printed.splitlines() == [
        "runner_disconnected always",
        'falkit let nothing out to example.com:80: egress is "block"',
        "200",
        "real true",
        "falkit let nothing out to queue.fal.run:443: the mock has ended",
    ]


def test_what_would_fail_at_fal_is_told_at_the_end(script: Callable[..., str]) -> None:
    printed = script(
        SUBMIT
        + """
        import { startFal } from "falkit";
        await startFal({ failOn: "errors" }).TOLD
        const mock = await startFal({ failOn: "error" });
        const { status_url } = await (await submit()).json();
        await fetch(status_url.replace("ltx-2", "ltx-2/text-to-video"));
        await mock.close().TOLD
        """.replace("TOLD", TOLD)
    )
    wrong, failed, finding, fix = printed.splitlines()
    assert wrong == 'falkit: failOn: "errors" is none of error, warning, never'
    assert failed == 'falkit: 1 finding that failOn: "error" doesn\'t let pass'
    assert finding.startswith("  error whole-id-url: GET /fal-ai/ltx-2/text-to-video/requests/{id}")
    assert fix.startswith("    fix: leave out")


def test_what_exceeds_a_budget_is_told_at_the_end(script: Callable[..., str]) -> None:
    printed = script(
        """
        import { fal } from "@fal-ai/client";
        import { startFal } from "falkit";
        const mock = await startFal({ budget: "0.50" });
        for (const prompt of ["Rain", "Snow"]) {
          await fal.run("fal-ai/ltx-2/text-to-video", { input: { prompt } });
          await mock.reset();
        }
        await mock.close().TOLD
        """.replace("TOLD", TOLD)
    )
    cost = "$0.72, over the budget of $0.50: fal-ai/ltx-2/text-to-video $0.72"
    assert printed == f"falkit: calls would have cost {cost}\n"


def test_no_proxy_leads_past_the_mock(script: Callable[..., str]) -> None:
    code = """
    import { startFal } from "falkit";
    import https from "node:https";
    const url = "https://fal.run/health";
    const mock = await startFal();
    console.log((await fetch(url)).status, await new Promise((resolve, reject) => {
      https.get(url, (reply) => resolve(reply.resume().statusCode)).on("error", reject);
    }));
    await mock.close();
    await fetch(url).TOLD
    """.replace("TOLD", TOLD)
    printed = script(code, NODE_USE_ENV_PROXY="1", HTTPS_PROXY="http://127.0.0.1:9", NO_PROXY="x")
    assert printed == "200 200\nfalkit let nothing out to fal.run:443: the mock has ended\n"


def test_two_mocks_follow_one_another_on_connections_that_are_kept(
    script: Callable[..., str],
) -> None:
    printed = script(
        SUBMIT
        + """
        import { startFal } from "falkit";
        const made = async () => (await (await submit()).json()).request_id;
        const first = await startFal({ seed: 1 });
        const ids = [await made()];
        const second = await startFal({ seed: 2 });
        ids.push(await made());
        console.log((await first.jobs.list()).length, (await second.jobs.list()).length);
        await second.close();
        await first.reset();
        ids.push(await made());
        console.log((await first.jobs.list()).length);
        console.log(ids[0] === ids[2], ids[0] === ids[1]);
        await first.close();
        """
    )
    # Ids follow from the seed, after a reset again.
    assert printed == "1 1\n1\ntrue false\n"


@pytest.mark.parametrize("how", ["kill", "terminate"] if NIGHTLY else ["kill"])
def test_a_killed_program_takes_its_mock_with_it(
    installed: Path, authority_folder: Path, how: str
) -> None:
    code = 'import { startFal } from "falkit"; const mock = await startFal();'
    code += "console.log(mock.url); setInterval(() => {}, 1000);"
    command = [node(), "--input-type=module", "-e", code]
    with started(command, cwd=installed, env=environ(authority_folder)) as program:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        # The connection ends with the mock.
        with httpx.stream("GET", f"{url}/__falkit/events", timeout=PATIENCE) as events:
            assert events.status_code == 200
            getattr(program, how)()
            assert program.wait(PATIENCE) != 0
            for _ in events.iter_raw():
                pass


def test_a_program_that_forgets_its_mock_ends_all_the_same(script: Callable[..., str]) -> None:
    assert script('import { startFal } from "falkit"; await startFal();') == ""


def test_a_mock_that_runs_already_is_used(script: Callable[..., str], tmp_path: Path) -> None:
    home = str(tmp_path)
    command = [FALKIT, "serve", "--port=0", "--gateway", "--gateway-port=0", "--quiet"]
    with started(command, env={**os.environ, "FALKIT_HOME": home}) as server:
        assert server.stdout is not None
        url = json.loads(server.stdout.readline())["url"]
        code = (
            SUBMIT
            + """
        import { startFal } from "falkit";
        const { URL: url } = process.env;
        await startFal({ url, timing: "polls" }).TOLD
        await startFal({ url: "127.0.0.1:4325" }).TOLD
        const mock = await startFal({ url });
        console.log((await submit()).status, (await mock.jobs.list()).length);
        await mock.close();
        """.replace("TOLD", TOLD)
        )
        printed = script(code, URL=url).splitlines()
        assert httpx.get(f"{url}/__falkit/jobs").json()["jobs"]
        end(server)
    assert printed[0].startswith("falkit: timing is of a mock that is started")
    assert printed[1].startswith('falkit: url: "127.0.0.1:4325" doesn\'t begin with http://; give')
    assert printed[2] == "200 1"


START = f'import {{ startFal }} from "falkit"; await startFal(OPTIONS).{TOLD}'


@pytest.mark.parametrize(
    ("options", "command", "told"),
    [
        ("{ timming: 1 }", "", r"falkit: `falkit serve` did not start: .*--timming.*"),
        (
            '{ timing: "soon" }',
            "",
            r"falkit: `falkit serve` did not start: timing: 'soon' .*instant.*",
        ),
        ("{}", "no-such-command", r"falkit: the Python command was not found \(tried no-such.*"),
        ("{}", '"/no where/x y" z', r"falkit: .*\(tried /no where/x y z\); install it with `pip.*"),
        ("{}", f'"{node()}" -e 0', r"falkit: .* did not start: exit code 0"),
        ("{}", f"'{node()}' -p 'process.title'", r"falkit: .* did not start: .*node"),
        ("{ faults: 'image_load_eror' }", "", r"falkit: POST /rules: .*image_load_error.*"),
    ],
    ids=["option", "value", "command", "words", "silent", "garbage", "fault"],
)
def test_what_can_not_start_says_in_one_line_what_to_do(
    script: Callable[..., str], options: str, command: str, told: str
) -> None:
    printed = script(START.replace("OPTIONS", options), FALKIT_COMMAND=command)
    assert re.fullmatch(told + "\n", printed), printed


def test_without_the_command_it_says_what_to_install(installed: Path, tmp_path: Path) -> None:
    env = environ(tmp_path, PATH=str(tmp_path))
    done = run(installed, "--input-type=module", "-e", START.replace("OPTIONS", "{}"), env=env)
    assert passed(done) == (
        "falkit: the Python command was not found (tried falkit, uvx falkit); "
        "install it with `pip install falkit`, or name it in FALKIT_COMMAND\n"
    )


@pytest.mark.skipif(os.name == "nt", reason="stands in for uvx with a script for sh")
def test_uvx_runs_it_where_it_is_not_installed(installed: Path, tmp_path: Path) -> None:
    uvx = tmp_path / "uvx"
    uvx.write_text(f'#!/bin/sh\n[ "$1" = falkit ] && shift && exec "{FALKIT}" "$@"\n')
    uvx.chmod(0o755)
    code = 'import { startFal } from "falkit"; console.log((await startFal()).url);'
    env = environ(tmp_path, PATH=str(tmp_path))
    printed = passed(run(installed, "--input-type=module", "-e", code, env=env))
    assert printed.startswith("http://127.0.0.1:")


def test_the_lock_names_no_registry() -> None:
    lock = json.loads((HERE / "package-lock.json").read_text())
    assert not [name for name, one in lock["packages"].items() if "resolved" in one]
    exact = json.loads((HERE / "package.json").read_text())["dependencies"]
    assert not [name for name, version in exact.items() if not version[0].isdigit()]


def test_words_of_a_command_may_have_quotes(script: Callable[..., str]) -> None:
    code = """
    import { flags, words } from "./node_modules/falkit/lib/command.js";
    console.log(JSON.stringify(words(process.env.TEXT)));
    console.log(...flags({ resultTtl: "2h", documents: ["a", "b"], allowPrivateInputs: true,
      seed: 0, apiKeys: "id:x", asOf: undefined, reload: false }));
    """
    text = r'"C:\Program Files\falkit.exe" --quiet' + " 'a b'"
    told, line = script(code, TEXT=text).splitlines()
    assert json.loads(told) == [r"C:\Program Files\falkit.exe", "--quiet", "a b"]
    assert line == (
        "--result-ttl=2h --documents=a --documents=b --allow-private-inputs --seed=0 --api-key=id:x"
    )


def test_a_mock_that_was_killed_is_told_of_by_the_next_call(script: Callable[..., str]) -> None:
    code = """
    import { startServer } from "./node_modules/falkit/lib/command.js";
    import { Control } from "./node_modules/falkit/lib/control.js";
    const server = await startServer({});
    const control = new Control(server);
    console.log((await control.get("/health")).status);
    process.kill(server.pid, "SIGKILL");
    while (!server.gone()) await new Promise((next) => setTimeout(next, 1));
    await control.get("/health").TOLD
    """.replace("TOLD", TOLD)
    printed = script(code)
    assert re.fullmatch(r"ok\nfalkit: the mock at \S+ doesn't answer: .*SIGKILL\n", printed), (
        printed
    )
