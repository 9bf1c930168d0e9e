"""falkit's npm package in each test runner, with what docs/javascript.md shows, word by word."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from falkit_mock.core.network import listen
from nights import NIGHTLY, at_night
from node_package.installed import HERE, PAGE, blocks, environ, passed, run
from processes import FALKIT, chromium, found

BIN = HERE / "node_modules"
VITEST = BIN / "vitest" / "vitest.mjs"
JEST = BIN / "jest" / "bin" / "jest.js"
PLAYWRIGHT = BIN / "@playwright" / "test" / "cli.js"
CHECKS = 12
# Tests as they are before falkit, which no change of falkit's can break: by night.
BEFORE = {"vi-mock.test.js", "nock.test.js", "msw.test.js", "routes.spec.js"}
# For files that import falkit after what reads the key as it is imported.
EARLY = {"setupFiles": ["falkit/vitest"]}

# Of one of the checks.
TOLD = """
what would fail at fal is found
  error whole-id-url: GET /fal-ai/ltx-2/text-to-video/requests/{id}, answered 405 (2 times)
    fix: leave out what follows the first two parts of the id, or use the URLs of the submit's reply
"""
WRONG = """
import { setupFal } from "falkit/node-test";
import assert from "node:assert/strict";
import test from "node:test";

const fal = setupFal({ timing: "instant", failOn: "warning", allow: ["unknown-field"] });
const headers = { authorization: `Key ${process.env.FAL_KEY}` };
const QUEUE = "https://queue.fal.run/fal-ai/ltx-2/text-to-video";
const submit = async (more) => {
  const body = JSON.stringify({ prompt: "Rain", ...more });
  return (await fetch(QUEUE, { method: "POST", headers, body })).json();
};

test("wrong URLs", async () => {
  const { request_id } = await submit();
  for (let time = 0; time < 2; time++) await fetch(`${QUEUE}/requests/${request_id}`, { headers });
  await fal.reset();
});
test("the same test, but right", async () => {
  const { response_url } = await submit();
  await fetch(response_url, { headers });
  assert.deepEqual(await fal.findings(), []);
});
test("what is allowed", () => submit({ sparkle: true }));
"""


class Counted:
    """The Python command, which writes down each time that it is started."""

    def __init__(self, folder: Path, home: Path) -> None:
        self._log = folder / "started.txt"
        command = folder / "counted.sh"
        command.write_text(f'#!/bin/sh\necho x >> "{self._log}"\nexec "{FALKIT}" "$@"\n')
        command.chmod(0o755)
        self.environ = environ(home, FALKIT_COMMAND=f'"{command}"')

    def times(self) -> int:
        return self._log.read_text().count("x")


@pytest.fixture
def counted(tmp_path: Path, authority_folder: Path) -> Counted:
    folder = tmp_path / "with a space"
    folder.mkdir()
    return Counted(folder, authority_folder)


def shown(end: str) -> list[str]:
    """Return the files that the pages show, by the end of their names."""
    assert {*blocks()} >= BEFORE
    names = [name for name in blocks() if name.endswith(end)]
    return [name for name in names if NIGHTLY or name not in BEFORE]


def twice(project: Path, runner: str) -> int:
    """Have a runner run its file once more, beside itself; return how many checks that adds."""
    one = project / runner / "one.test.js"
    some = CHECKS if NIGHTLY else 5
    two = one.read_text().replace("entries(checks)", f"entries(checks).slice(0, {some})")
    one.with_name("two.test.js").write_text(two)
    return some


def test_vitest_runs_forks_and_threads_on_one_mock(project: Path, counted: Counted) -> None:
    twice(project, "vitest")
    (project / "fal-documents").mkdir()
    named = [name for name in shown(".test.js") if "-node" not in name]
    assert {"video.test.js", "webhook.test.js", "make-clip.test.js"} <= {*named}
    files = {
        "forks": ["vitest/*.test.js", "beside/*.test.js"],
        "threads": ["vitest/two.test.js", *named],
    }
    pools = [{"name": pool, "pool": pool, "include": files[pool], **EARLY} for pool in files]
    projects = [{"test": pool} for pool in pools]
    config = {"test": {"projects": projects, "globalSetup": "./fal-setup.js"}}
    (project / "vitest.config.js").write_text(f"export default {json.dumps(config)}")
    printed = passed(run(project, VITEST, "run", "--maxWorkers=2", env=counted.environ))
    assert re.search(rf"Test Files +{5 + len(named)} passed", printed), printed
    assert TOLD in printed, printed
    assert counted.times() == 1


def test_jest_starts_one_mock_for_each_worker(project: Path, counted: Counted) -> None:
    more = twice(project, "jest")
    (project / "jest" / "package.json").write_text("{}")
    match = ["**/jest/*.test.js", "**/*.test.cjs"]
    (project / "jest.config.json").write_text(json.dumps({"testMatch": match}))
    printed = passed(
        run(project, JEST, "--config", "jest.config.json", "--maxWorkers=2", env=counted.environ)
    )
    assert f"Tests:       {CHECKS + more + 3} passed" in printed
    assert TOLD in printed, printed
    assert counted.times() <= 2


def test_node_runs_its_own_tests(project: Path, authority_folder: Path) -> None:
    # The system's, which is older than the one that comes with the development tools.
    program = found("node", package="nodejs")
    version = subprocess.check_output([program, "--version"], text=True).strip("v\n")
    if tuple(map(int, version.split("."))) < (20, 19, 0):
        pytest.skip(f"Node {version} is older than 20.19")
    files = ["node/one.test.js", "video-node.test.js"]
    done = run(project, "--test", *files, env=environ(authority_folder), program=program)
    assert f"# pass {CHECKS + 1}\n" in passed(done)


def test_node_fails_a_test_for_its_findings_and_tells_them_at_the_end(
    project: Path, authority_folder: Path
) -> None:
    (project / "wrong.test.js").write_text(WRONG)
    done = run(project, "--test", "wrong.test.js", env=environ(authority_folder))
    assert done.returncode == 1
    assert re.search(r"pass 2\b", done.stdout), done.stdout
    assert re.search(r"fail 1\b", done.stdout), done.stdout
    seen = "GET /fal-ai/ltx-2/text-to-video/requests/{id}, answered 405 (2 times)"
    told = f"  error whole-id-url: {seen}\n    fix: leave out what follows"
    assert 'falkit: 1 finding that failOn: "warning" doesn\'t let pass' in done.stdout
    assert f"falkit: 1 error in 1 test\nwrong URLs\n{told}" in done.stdout, done.stdout


def test_pages_in_chromium_call_the_mock(project: Path, counted: Counted) -> None:
    with listen("127.0.0.1", 0) as listener:
        port = str(listener.getsockname()[1])
    use = {
        "launchOptions": {"executablePath": chromium(), "args": ["--no-sandbox", "--disable-gpu"]},
        # For all files, so that one worker, mock and browser serves them.
        "falOptions": {"timing": "instant"},
    }
    config = project / "playwright.config.js"
    # A busy machine takes its time until a clip is loaded.
    more = f"timeout: 90_000, expect: {{ timeout: 60_000 }}, use: {{ ...{json.dumps(use)},"
    config.write_text(config.read_text().replace("use: {", more, 1))
    for file in (config, project / "app.js"):
        file.write_text(file.read_text().replace("3000", port))
    files = [*shown(".spec.js"), "request.spec.js"]
    assert {"video.spec.js", "server.spec.js", "falkit.spec.js"} <= {*files}
    options = ("--workers=1", "--reporter=line")
    done = run(project, PLAYWRIGHT, "test", *files, *options, env=counted.environ)
    printed = passed(done)
    assert f"{6 if NIGHTLY else 5} passed" in printed
    assert counted.times() == 1


def test_the_types_are_strict_and_fit_what_the_page_shows(
    project: Path, authority_folder: Path
) -> None:
    options: dict[str, object] = {"strict": True, "noEmit": True, "checkJs": True}
    options |= {"module": "nodenext", "target": "esnext", "lib": ["esnext", "dom"]}
    # By night our declarations themselves too, and with them those of all that is installed.
    options |= {"types": ["node"], "skipLibCheck": not NIGHTLY}
    # jest's types are a package of their own.
    files = [name for name in blocks() if not name.endswith(".cjs")]
    config = {"compilerOptions": options, "files": ["types.ts", *files]}
    (project / "tsconfig.json").write_text(json.dumps(config))
    tsc = BIN / "typescript" / "bin" / "tsc"
    assert passed(run(project, tsc, "--singleThreaded", env=environ(authority_folder))) == ""


def test_the_script_of_the_page_prints_a_clip_and_its_price(
    project: Path, authority_folder: Path
) -> None:
    printed = passed(run(project, "script.ts", env=environ(authority_folder)))
    assert re.fullmatch(r"https://v3b\.fal\.media/\S+\.mp4 0\.36\n", printed), printed


def test_the_page_names_entries_that_exist() -> None:
    package = json.loads((HERE.parents[2] / "client" / "node" / "package.json").read_text())
    named = {f"./{name}" for name in re.findall(r'"falkit/([a-z-]+)"', PAGE)}
    assert named == {*package["exports"]} - {".", "./package.json"}


# The same checks by other ways to start.
@at_night
@pytest.mark.parametrize("pool", ["forks", "threads", "vmThreads"])
def test_vitest_without_a_global_set_up(project: Path, counted: Counted, pool: str) -> None:
    twice(project, "vitest")
    (project / "vitest.config.js").write_text(f"export default {json.dumps({'test': EARLY})}")
    done = run(project, VITEST, "run", "vitest", f"--pool={pool}", env=counted.environ)
    assert f"Tests  {2 * CHECKS} passed" in passed(done)
    assert counted.times() == 2


# The same checks by other ways to start.
@at_night
def test_jest_shares_one_mock(project: Path, counted: Counted) -> None:
    twice(project, "jest")
    (project / "jest" / "package.json").write_text("{}")
    for file in (project / "jest").glob("*.test.js"):
        package, checks, rest = file.read_text().split("\n\n", 2)
        file.write_text("\n\n".join((checks, package, rest)))
    setup = {"globalSetup": "./fal-setup.js", "setupFiles": ["falkit/jest"]}
    config = {**setup, "testMatch": ["**/jest/*.test.js"]}
    (project / "jest.config.json").write_text(json.dumps(config))
    (project / "fal-documents").mkdir()
    passed(run(project, JEST, "--config=jest.config.json", "--maxWorkers=2", env=counted.environ))
    assert counted.times() == 1


# The same checks by other ways to start.
@at_night
def test_node_shares_one_mock(project: Path, counted: Counted) -> None:
    twice(project, "node")
    (project / "fal-documents").mkdir()
    files = ["node/one.test.js", "node/two.test.js"]
    setup = "--test-global-setup=fal-setup.js"
    printed = passed(run(project, "--test", setup, *files, env=counted.environ))
    assert f"pass {2 * CHECKS}\n" in printed
    assert counted.times() == 1


# The same checks by other ways to start.
@at_night
def test_jest_runs_its_own_modules(project: Path, counted: Counted) -> None:
    test = (project / "jest" / "one.test.js").read_text()
    for line in ('{ setupFal } = require("falkit/jest")', '{ checks } = require("../checks.cjs")'):
        names, _, module = line.partition(" = ")
        assert f"const {line};" in test
        told = f"import {names} from {module.removeprefix('require').strip('()')};"
        test = test.replace(f"const {line};", told)
    (project / "jest" / "one.test.js").unlink()
    (project / "jest" / "one.test.mjs").write_text(test)
    (project / "jest.config.json").write_text('{"testMatch": ["**/jest/*.test.mjs"]}')
    env = {**counted.environ, "NODE_OPTIONS": "--experimental-vm-modules"}
    printed = passed(run(project, JEST, "--config=jest.config.json", env=env))
    assert f"{CHECKS + 1} passed" in printed
