"""What action.yml runs: falkit around a command, or around the steps of a job, on a runner of GitHub's.

It installs falkit, so it needs nothing but Python. What couldn't be looked at is never called clean: it ends
with NOT_LOOKED, an annotation, and a summary that says so.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NoReturn

FINE, FOUND, USAGE, NOT_LOOKED = 0, 1, 2, 3
HERE = Path(__file__).resolve().parent.parent
# Seconds for a mock to answer, and to end.
PATIENCE, GRACE = 60.0, 10.0
# Characters of a log that are shown, its end.
MOST = 50_000
# Names that runners don't take from a file of variables, since their own actions run on Node.
REFUSED = "NODE_OPTIONS"


class NotLooked(Exception):
    """The mock or its report can't be had; the message says why, and the fix where there is one."""


class Job:
    """The step's inputs, and what of its job lasts: the environment, files, the mock that runs."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.inputs = {name: text for name, text in environ.items() if name.startswith("INPUT_")}
        # The inputs are the action's own; what it starts has the job's variables alone.
        self.environ = {name: text for name, text in environ.items() if name not in self.inputs}
        self.folder = Path(environ["RUNNER_TEMP"]) / "falkit"
        self.folder.mkdir(parents=True, exist_ok=True)
        # The command falkit alone, where it was installed.
        self.commands = self.folder / "commands"
        if self.commands.exists():
            self.environ["PATH"] = os.pathsep.join((str(self.commands), self.environ["PATH"]))
        # What `start` leaves for `report`.
        self.state = self.folder / "mock.json"

    def input(self, name: str) -> str:
        return self.inputs.get(f"INPUT_{name}", "").strip()

    def words(self, name: str) -> list[str]:
        """Return an input's words, read as a shell would; none of them is expanded."""
        try:
            return shlex.split(self.input(name))
        except ValueError as error:
            raise NotLooked(f"{name.lower()}: {self.input(name)!r} can't be read: {error}") from None

    def add(self, file: str, text: str) -> None:
        """Append to a file of the runner's, such as GITHUB_ENV."""
        if path := self.environ.get(file):
            with open(path, "a", encoding="utf-8", newline="\n") as target:
                target.write(text)

    def set(self, file: str, values: Mapping[str, str]) -> None:
        """Set outputs or variables, whatever their values are."""
        for name, value in values.items():
            end = f"end-{secrets.token_hex(8)}"
            self.add(file, f"{name}<<{end}\n{value}\n{end}\n")

    def falkit(self, *words: str, environ: Mapping[str, str] | None = None) -> Ended:
        """Run a command of falkit's to its end, and keep what it writes."""
        return subprocess.run(
            [self.command(), *words],
            env={**self.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )

    def command(self) -> str:
        """Return falkit's own path, which a step of this job may have installed."""
        if found := shutil.which("falkit", path=self.environ["PATH"]):
            return found
        raise NotLooked("no command falkit is on the path; leave out `install: none`, or install it before")


Ended = subprocess.CompletedProcess[str]


def main() -> int:
    """Do what the mode says; return the step's exit code."""
    job = Job(os.environ)
    modes = {"run": run, "start": start, "report": report}
    try:
        mode = job.input("MODE")
        if mode not in modes:
            raise NotLooked(f"mode: {mode!r} is none; give run, start or report")
        return modes[mode](job)
    except NotLooked as error:
        return not_looked(job, str(error))


def not_looked(job: Job, why: str) -> int:
    """Say, in every place that a person or a step may look at, that nothing was judged."""
    tell("error", "falkit could not look", why)
    shown = "\n".join(f"    {line}" for line in why.splitlines())
    job.add(
        "GITHUB_STEP_SUMMARY",
        f"### falkit: ? Nothing was looked at\n\nThis says nothing of the tests, good or bad.\n\n{shown}\n\n",
    )
    job.set("GITHUB_OUTPUT", {"result": "not-looked"})
    return NOT_LOOKED


def tell(level: str, title: str, text: str) -> None:
    """Write a line that the runner makes an annotation of."""
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    print(f"::{level} title={title}::{escaped}", flush=True)


def install(job: Job) -> None:
    """Install falkit into an environment of its own, so that nothing of the project's changes."""
    wanted = job.words("INSTALL")
    folder, shown = job.folder / "environment", job.folder / "bin"
    if wanted == ["none"] or shown.exists():
        return
    if sys.version_info < (3, 11):
        raise NotLooked(f"python: {sys.executable} is {sys.version.split()[0]}; falkit needs 3.11 or newer")
    # Its own version comes with the versions that it was tested with.
    wanted = wanted or [str(HERE), "--constraint", str(HERE / "constraints.txt")]
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(programs / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    print(f"::group::Installing falkit from {wanted[0]}", flush=True)
    for command in ([sys.executable, "-m", "venv", str(folder)], [*pip, "install", *wanted]):
        if code := subprocess.run(command, env=job.environ, stdin=subprocess.DEVNULL).returncode:
            print("::endgroup::", flush=True)
            raise NotLooked(f"falkit can't be installed: {shlex.join(command)} ended with {code}; see the log")
    print("::endgroup::", flush=True)
    # The command alone: on the path, the environment's folder would bring its Python, too.
    program = Path(shutil.which("falkit", path=str(programs)) or programs / "falkit")
    shown.mkdir()
    with suppress(OSError):
        (shown / program.name).symlink_to(program)
    if not (shown / program.name).exists():
        shutil.copy(program, shown)
    job.add("GITHUB_PATH", f"{shown}\n")


def run(job: Job) -> int:
    """Have a mock around the lines in `run`; return their exit code if it isn't 0."""
    lines = job.inputs.get("INPUT_RUN", "")
    if not lines.strip():
        raise NotLooked("run: there is nothing to run; give it lines of bash, or mode: start")
    install(job)
    files = Files(job)
    options = [*files.options, *judging(job), *spending(job), *job.words("OPTIONS")]
    # In a file, as runners do it: not every system hands lines on as they are.
    script = job.folder / "run.sh"
    script.write_text(f"{lines}\n", "utf-8", newline="\n")
    shell = shutil.which("bash", path=job.environ["PATH"]) or "bash"
    words = [shell, "--noprofile", "--norc", "-eo", "pipefail", script.as_posix()]
    code = subprocess.run([job.command(), "run", *options, "--", *words], env=job.environ).returncode
    told = files.read()
    if told is None:
        # Asked again with nothing to run, it says why at once.
        ended = job.falkit("run", *options, "--", sys.executable, "-c", "")
        why = last_words(ended.stderr) if ended.returncode == USAGE else "see the log"
        raise NotLooked(f"falkit run ended with {code} and left no report: {why}")
    conclude(job, told, files)
    return code


def start(job: Job) -> int:
    """Start a mock that outlives this step, and lead the steps that follow to it."""
    if job.state.exists():
        raise NotLooked("mode: a mock of this job runs already; use mode: report before another start")
    try:
        install(job)
        url = serve(job)
    except NotLooked as error:
        # So that the report says so as well, if this step's failure is passed over.
        job.state.write_text(json.dumps({"problem": f"the mock could not be started: {error}"}), "utf-8")
        raise
    job.set("GITHUB_OUTPUT", {"url": url})
    print(f"falkit: mock at {url}", flush=True)
    return FINE


def serve(job: Job) -> str:
    """Start the mock, wait until it answers, and export what leads programs to it; return its URL."""
    options = ["--gateway", *spending(job), *job.words("OPTIONS")]
    log = job.folder / "serve.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [job.command(), "serve", *options],
            env=job.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            **DETACHED,
        )
    assert process.stdout is not None
    line = list[bytes]()
    reader = threading.Thread(target=lambda: line.append(process.stdout.readline()), daemon=True)
    reader.start()
    reader.join(PATIENCE)
    if not line or not line[0]:
        code = process.poll() if not line else process.wait(GRACE)
        process.kill()
        how = f"it ended with {code}" if code is not None else f"it took more than {PATIENCE:.0f} s"
        raise NotLooked(f"{how}: {last_words(log.read_text('utf-8', 'replace'))}")
    ready: dict[str, Any] = json.loads(line[0])
    found = job.falkit("env", environ={"FALKIT_BASE_URL": ready["url"]})
    if found.returncode:
        stop(process.pid)
        raise NotLooked(f"falkit env: {last_words(found.stderr)}")
    # Lines of `export NAME=value`, quoted for a shell.
    pairs = [word.partition("=") for word in shlex.split(found.stdout) if word != "export"]
    variables = {name: value for name, _, value in pairs}
    node = variables.pop(REFUSED)
    # Newer versions of Node heed the proxy variables if they are told to, without the preload.
    variables["NODE_USE_ENV_PROXY"] = "1"
    before = {name: job.environ.get(name) for name in variables}
    roots = next((path for path in ROOTS if Path(path).exists()), variables[TRUSTED])
    for name in before:
        # An empty name of a file of roots is taken for one that can't be read, or for no check at all.
        if before[name] is None:
            before[name] = roots if variables[name] == variables[TRUSTED] else ""
    facts = {"url": ready["url"], "pid": process.pid, "log": str(log), "before": before}
    job.state.write_text(json.dumps(facts), "utf-8")
    job.set("GITHUB_ENV", variables)
    job.set("GITHUB_OUTPUT", {"node-options": node})
    return str(ready["url"])


def report(job: Job) -> int:
    """Fetch the report of the mock that `start` left, stop it, and return the exit code."""
    if not job.state.exists():
        raise NotLooked("no mock was started in this job; use mode: start in a step before")
    facts: dict[str, Any] = json.loads(job.state.read_text("utf-8"))
    job.state.unlink()
    if "problem" in facts:
        raise NotLooked(facts["problem"])
    job.set("GITHUB_ENV", facts["before"])
    log = Path(facts["log"])
    if not alive(facts["pid"]):
        show(log)
        raise NotLooked(f"the mock ended before its report: {last_words(log.read_text('utf-8', 'replace'))}")
    files = Files(job)
