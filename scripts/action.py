"""What action.yml runs on GitHub's runners: falkit around a command, or around a job's steps.

It installs falkit, so it needs nothing but Python. What couldn't be looked at is never called
clean: it ends with NOT_LOOKED, an annotation, and a summary that says so.
"""

from __future__ import annotations

import html
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

FINE, FOUND, NOT_LOOKED = 0, 1, 3
# Seconds for falkit to answer, and for a mock to end.
PATIENCE, GRACE = 120.0, 10.0
# Characters of a log that are shown, its end.
MOST = 50_000
# Runners take it from no file of variables, since their own actions run on Node.
REFUSED = "NODE_OPTIONS"
# Names a file of trusted roots; and where systems have theirs.
TRUSTED = "SSL_CERT_FILE"
ROOTS = ("/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem")
# Has Windows start what outlives this process; elsewhere there are no such names.
APART: int = getattr(subprocess, "DETACHED_PROCESS", 0) | getattr(
    subprocess, "CREATE_NEW_PROCESS_GROUP", 0
)


class NotLooked(Exception):
    """The mock or its report can't be had; the message says why, and the fix if there is one."""


class Job:
    """A step's inputs, and what lasts until the job's end: variables, files, a mock."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.inputs = {name: text for name, text in environ.items() if name.startswith("INPUT_")}
        # The inputs are the action's own; what it starts has the job's variables alone.
        self.environ = {name: text for name, text in environ.items() if name not in self.inputs}
        self.folder = Path(environ["RUNNER_TEMP"]) / "falkit"
        self.folder.mkdir(parents=True, exist_ok=True)
        # The command falkit alone, if the action has installed it.
        self.commands = self.folder / "commands"
        if self.commands.exists():
            self.expose()
        # What `start` leaves for `report`.
        self.state, self.log = self.folder / "mock.json", self.folder / "serve.log"

    def expose(self) -> None:
        """Have what this step starts find the command, as later steps do."""
        self.environ["PATH"] = os.pathsep.join((str(self.commands), self.environ["PATH"]))

    def input(self, name: str) -> str:
        """Return an input as it was given, such as `fail-on`."""
        return self.inputs.get(f"INPUT_{name.upper().replace('-', '_')}", "").strip()

    def words(self, name: str) -> list[str]:
        """Return an input's words, quoted as in a shell, of which none is expanded."""
        try:
            return shlex.split(self.input(name))
        except ValueError as error:
            raise NotLooked(f"{name}: {self.input(name)!r} can't be read ({error})") from None

    def given(self, *names: str) -> list[str]:
        """Return those inputs that aren't empty as options of falkit's, which have their names."""
        return [f"--{name}={self.input(name)}" for name in names if self.input(name)]

    def add(self, file: str, text: str) -> None:
        """Append to a file of the runner's, such as GITHUB_PATH."""
        with open(self.environ[file], "a", encoding="utf-8", newline="\n") as target:
            target.write(text)

    def set(self, file: str, values: Mapping[str, str]) -> None:
        """Set outputs or variables, whatever is in their values."""
        for name, value in values.items():
            end = f"end-{secrets.token_hex(8)}"
            self.add(file, f"{name}<<{end}\n{value}\n{end}\n")

    def command(self) -> str:
        """Return the path of the command falkit."""
        if found := shutil.which("falkit", path=self.environ["PATH"]):
            return found
        raise NotLooked("there is no command falkit; leave out `install: none`, or install it")

    def falkit(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command of falkit's to its end, and keep what it writes."""
        return subprocess.run(
            [self.command(), *words],
            env={**self.environ, "PYTHONUTF8": "1", **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
        )


class Files:
    """Where falkit writes its report to: for the action, and for the user."""

    def __init__(self, job: Job) -> None:
        # Of this step alone, since its outputs name one of them.
        self.json = Path(tempfile.mkdtemp(dir=job.folder)) / "report.json"
        self.summary, self.annotations = map(self.json.with_suffix, (".md", ".txt"))
        own = (str(self.json), str(self.summary), f"github:{self.annotations}")
        # Last those that the action reads: if they are there, so are the others.
        self._wanted = [*job.words("reports"), *own]

    def options(self, name: str) -> list[str]:
        """Return the options that have falkit write them; `name` is what it calls them."""
        return [f"{name}={file}" for file in self._wanted]

    def conclude(self, job: Job, lines: str = "") -> dict[str, Any] | None:
        """Write annotations, outputs, a summary with the lines that ran; return the report."""
        try:
            told: dict[str, Any] = json.loads(self.json.read_text("utf-8"))
            summary = self.summary.read_text("utf-8")
            annotations = self.annotations.read_text("utf-8")
        except (OSError, ValueError):
            return None
        print(f"\n{annotations}", end="", flush=True)
        if lines:
            shown = f"\n<pre>\n{html.escape(lines.strip())}\n</pre>\n"
            summary = re.sub(r"\n<sub>.*</sub>\s*\Z", "", summary) + shown
        counts, result = told["counts"], "clean"
        if not told["requests"].get("total"):
            result = "not-called"
            why = "no call reached the mock; if any should, see where they go: `falkit doctor env`"
            say("warning", "falkit saw nothing", why)
            summary += f"\n{why}\n"
        job.add("GITHUB_STEP_SUMMARY", summary + "\n")
        if counts["error"] or counts["warning"]:
            result = "findings"
        elif told["problems"]:
            result = "not-looked"
        values = {
            "result": result,
            **{f"{severity}s": number for severity, number in counts.items()},
            "accepted": sum(bool(one["accepted"]) for one in told["findings"]),
            "spend": told["spend"].get("cost", ""),
            "report": self.json,
        }
        job.set("GITHUB_OUTPUT", {name: str(value) for name, value in values.items()})
        return told


def main() -> int:
    """Do what the mode says; return the step's exit code."""
    job = Job(os.environ)
    # And the inputs that each has no use for.
    modes = {
        "run": (run, ["file"]),
        "start": (start, ["run", "file", "baseline", "reports"]),
        "report": (report, ["run", "options", "budget"]),
    }
    try:
        if (mode := job.input("mode")) not in modes:
            raise NotLooked(f"mode: {mode!r} is none; give run, start or report")
        act, useless = modes[mode]
        for name in filter(job.input, useless):
            takes = " or ".join(one for one, (_, none) in modes.items() if name not in none)
            raise NotLooked(f"{name}: mode: {mode} has no use for it; give it to mode: {takes}")
        return act(job)
    except Exception as error:
        # Whatever it is, nothing is clean.
        why = words_of(error)
    say("error", "falkit could not look", why)
    head = "### falkit: ? Nothing was looked at\n\nSo this run says nothing, good or bad:"
    shown = "\n".join(f"    {line}" for line in why.splitlines())
    job.add("GITHUB_STEP_SUMMARY", f"{head}\n\n{shown}\n\n")
    job.set("GITHUB_OUTPUT", {"result": "not-looked"})
    return NOT_LOOKED


def install(job: Job) -> None:
    """Install falkit into an environment of its own, so that nothing of the project's changes."""
    wanted = job.words("install")
    if wanted == ["none"] or job.commands.exists():
        return
    # The runner's own may be older.
    if sys.version_info < (3, 11):  # noqa: UP036
        raise NotLooked(f"python: falkit needs 3.11 or newer, and this is {sys.version.split()[0]}")
    # The action's own, with the versions that it was tested with.
    here = Path(__file__).resolve().parents[1]
    wanted = wanted or [str(here), "--constraint", str(here / "constraints.txt")]
    environment = job.folder / "environment"
    programs = environment / ("Scripts" if sys.platform == "win32" else "bin")
    pip = [str(programs / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    print(f"::group::Installing falkit from {wanted[0]}", flush=True)
    for command in ([sys.executable, "-m", "venv", str(environment)], [*pip, "install", *wanted]):
        if code := subprocess.run(command, env=job.environ, stdin=subprocess.DEVNULL).returncode:
            why = f"`{shlex.join(command)}` ended with {code}; its words are in the log"
            raise NotLooked(f"falkit can't be installed: {why}")
    print("::endgroup::", flush=True)
    if (program := shutil.which("falkit", path=str(programs))) is None:
        raise NotLooked(f"install: {wanted[0]} brings no command falkit")
    # The command alone: on the path, the environment's folder would bring its Python, too.
    job.commands.mkdir()
    target = job.commands / Path(program).name
    if sys.platform == "win32":
        shutil.copy(program, target)
    else:
        target.symlink_to(program)
    job.add("GITHUB_PATH", f"{job.commands}\n")
    job.expose()


def run(job: Job) -> int:
    """Have a mock around the lines in `run`; return falkit's exit code, or theirs."""
    if not (lines := job.inputs.get("INPUT_RUN", "")).strip():
        raise NotLooked("run: there is nothing to run; give it lines of bash, or mode: start")
    install(job)
    files = Files(job)
    options = [*job.given("fail-on", "baseline", "budget"), *job.words("options")]
    # In a file, as runners do it: not every system hands lines on as they are.
    script = job.folder / "run.sh"
    script.write_text(f"{lines}\n", "utf-8", newline="\n")
    shell = shutil.which("bash", path=job.environ["PATH"]) or "bash"
    around = [job.command(), "run", *files.options("--report"), *options, "--"]
    command = [*around, shell, "-eo", "pipefail", script.as_posix()]
    code = subprocess.run(command, env=job.environ).returncode
    if files.conclude(job, lines) is None:
        # Asked again with nothing to run, it says why at once.
        ended = job.falkit(*around[1:], sys.executable, "-c", "")
        why = last_words(ended.stderr) if ended.returncode else "see the log"
        raise NotLooked(f"falkit run ended with {code} and left no report: {why}")
    return code


def start(job: Job) -> int:
    """Start a mock that outlives this step, and lead the steps that follow to it."""
    if job.state.exists():
        raise NotLooked("mode: a mock of this job runs already; use mode: report before")
    try:
        install(job)
        serve(job)
    except Exception as error:
        # So that the report says so, even if this step's failure is passed over.
        problem = f"the mock could not be started: {words_of(error)}"
        job.state.write_text(json.dumps({"problem": problem}), "utf-8")
        raise
    return FINE


def serve(job: Job) -> None:
    """Start the mock, wait until it answers, and export what leads programs to it."""
    options = ["--gateway", *job.given("budget"), *job.words("options")]
    with job.log.open("wb") as errors:
        process = subprocess.Popen(
            [job.command(), "serve", *options],
            env=job.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            creationflags=APART,
        )
    try:
        lead(job, process)
    except Exception:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        raise


def lead(job: Job, process: subprocess.Popen[bytes]) -> None:
    """Wait until a mock answers, and export what leads programs to it."""
    pipe, said = process.stdout, list[bytes]()
    assert pipe is not None
    reader = threading.Thread(target=lambda: said.append(pipe.readline()), daemon=True)
    reader.start()
    reader.join(PATIENCE)
    if not any(said):
        why = last_words(job.log.read_text("utf-8", "replace"))
        raise NotLooked(why if said else f"it did not answer within {PATIENCE:.0f} s")
    url: str = json.loads(said[0])["url"]
    found = job.falkit("env", FALKIT_BASE_URL=url)
    if found.returncode:
        raise NotLooked(last_words(found.stderr))
    # Lines of `export NAME=value`, quoted for a shell.
    pairs = [word.partition("=") for word in shlex.split(found.stdout) if word != "export"]
    variables = {name: value for name, _, value in pairs}
    node = variables.pop(REFUSED)
    # Newer versions of Node heed the proxy variables where they are told to.
    variables["NODE_USE_ENV_PROXY"] = "1"
    facts = {"url": url, "pid": process.pid, "before": before(job, variables)}
    job.state.write_text(json.dumps(facts), "utf-8")
    job.set("GITHUB_ENV", variables)
    job.set("GITHUB_OUTPUT", {"url": url, "node-options": node})
    print(f"falkit: mock at {url}", flush=True)


def before(job: Job, variables: Mapping[str, str]) -> dict[str, str]:
    """Return what variables have to be once the mock has ended: a runner can't unset them."""
    trusted = variables[TRUSTED]
    # An empty name of such a file is no name to some programs, and to others no check at all.
    roots = next((path for path in ROOTS if Path(path).exists()), trusted)
    unset = {name: roots if value == trusted else "" for name, value in variables.items()}
    return {name: job.environ.get(name, value) for name, value in unset.items()}


def report(job: Job) -> int:
    """Report what `file` says, else on the mock that `start` left, which is stopped."""
    if file := job.input("file"):
        install(job)
        return _reported(job, Files(job), "--", file)
    if not job.state.exists():
        raise NotLooked("no mock was started in this job; use mode: start in a step before")
    facts: dict[str, Any] = json.loads(job.state.read_text("utf-8"))
    job.state.unlink()
    if "problem" in facts:
        raise NotLooked(facts["problem"])
    files = Files(job)
    try:
        code = _reported(job, files, "--base-url", facts["url"])
        # It has answered, so this number is still its own.
        stop(facts["pid"])
    finally:
        job.set("GITHUB_ENV", facts["before"])
        show(job.log)
    return code


def _reported(job: Job, files: Files, *of: str) -> int:
    options = [*files.options("--out"), *job.given("fail-on", "baseline")]
    # Without a key it is of all tenants.
    ended = job.falkit("report", *options, *of, FAL_KEY="")
    if (told := files.conclude(job)) is None:
        raise NotLooked(last_words(ended.stderr).removeprefix("can't look: "))
    # The mock's own, which fails whatever `fail-on` says.
    spend = told["spend"]
    over = Decimal(spend.get("cost", "0")) > Decimal(spend.get("budget") or "Infinity")
    return ended.returncode or (FOUND if over else FINE)


def stop(pid: int) -> None:
    """Tell the mock to end, and wait until it has."""
    with suppress(OSError):
        os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + GRACE
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs; Windows ends one at once, and to ask it would end one, too."""
    if sys.platform == "win32":
        return False
    with suppress(OSError):
        # One that has ended stays listed where nobody asks for its exit code.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    with suppress(OSError):
        os.kill(pid, 0)
        return True
    return False


def say(level: str, title: str, text: str) -> None:
    """Write a line that the runner makes an annotation of."""
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    # What has run may have left its last line open.
    print(f"\n::{level} title={title}::{escaped}", flush=True)


def show(log: Path) -> None:
    """Print what the mock wrote, folded, and none of it as a command for the runner."""
    text, token = log.read_text("utf-8", "replace")[-MOST:].rstrip(), secrets.token_hex(16)
    print(f"::group::The mock's log\n::stop-commands::{token}\n{text}\n::{token}::\n::endgroup::")


def words_of(error: Exception) -> str:
    """Return what went wrong, in words."""
    return f"{'' if isinstance(error, NotLooked) else f'{type(error).__name__}: '}{error}"


def last_words(text: str) -> str:
    """Return the line with which falkit said why."""
    lines = [line for line in text.splitlines() if line.strip()] or ["it said nothing"]
    own = [line for line in lines if line.startswith("falkit: ")]
    return (own or lines)[-1].removeprefix("falkit: ")


if __name__ == "__main__":
    sys.exit(main())
