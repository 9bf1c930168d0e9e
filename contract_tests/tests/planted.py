"""Plant small faults in copies of the code and see that the test named for each one fails.

    python contract_tests/tests/planted.py [--quick] [--write] [WORD …]

Without words all faults are planted, else those whose name or file holds one of them. `--quick`
plants the first fault of each folder of tests, without those that the state machine, several
processes or tenants have to find, which take longer than all others together.
`--write` puts the table into docs/planted-faults.md. The work tree itself is never touched.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LISTS = ROOT / "contract_tests" / "tests" / "contract" / "planted"
PAGE = ROOT / "docs" / "planted-faults.md"
FOLDERS = ("spec", "fixtures", "client", "mockserver", "contract_tests")
ROOTS = (*FOLDERS, "contract_tests/tests")
# Tests in whose names these are take long.
_LONG = (
    "test_state_machine.py",
    "tests/workers/",
    "test_redis",
    "tests/tenants/",
    "tests/pytest_plugin/",
)
HEAD = """\
# Planted faults

What tests are worth shows when the code is wrong. Each of these faults is planted in a copy of the
code, alone, and the test named for it must fail there. The list is in
`contract_tests/tests/contract/planted/`; `make planted` runs all of it and rewrites this page.
`make test` plants the first fault of each folder of tests, without those that the state machine,
several processes or tenants have to find, for their time; `make nightly` plants all.
"""


@dataclass(frozen=True)
class Fault:
    """A small wrong change, and the test that must notice it."""

    name: str
    file: str
    before: str
    after: str
    test: str

    @property
    def takes_long(self) -> bool:
        """Whether a walk of the state machine has to come upon it, or several processes."""
        return any(part in self.test for part in _LONG)


@dataclass(frozen=True)
class Verdict:
    """What became of a planted fault; `trouble` is empty if the test caught it."""

    fault: Fault
    seconds: float
    trouble: str


def listed() -> list[Fault]:
    """Read the lists."""
    return [
        Fault(**{key: _unwrapped(value) for key, value in fault.items()})
        for path in sorted(LISTS.glob("*.toml"))
        for fault in tomllib.loads(path.read_text())["fault"]
    ]


def _unwrapped(text: str) -> str:
    # A literal of several lines begins on a line of its own, for the indentation's sake.
    return text.removeprefix("\n")


def quick(faults: Sequence[Fault]) -> list[Fault]:
    """Return the first fault of each folder of tests that takes no long time."""
    short = [fault for fault in faults if not fault.takes_long]
    # A test's own name may have a slash.
    first = {Path(fault.test.partition("::")[0]).parent: fault for fault in reversed(short)}
    return [fault for fault in short if fault in first.values()]


def lost(faults: Sequence[Fault]) -> list[str]:
    """Tell of each fault that can't be planted: its text is gone, or stands in several places."""
    found: list[str] = []
    for fault in faults:
        count = (ROOT / fault.file).read_text().count(fault.before)
        if count != 1:
            found.append(f"{fault.name}: its text is {count} times in {fault.file}, not once")
    return found


@contextmanager
def copied() -> Generator[Path]:
    """Copy what the tests need to a place of its own."""
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        place = Path(folder)
        for room in FOLDERS:
            # Hidden folders are environments and caches, some of hundreds of megabytes.
            ignored = shutil.ignore_patterns(".*", "__pycache__", "node_modules")
            shutil.copytree(ROOT / room, place / room, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", place)
        yield place


def tested(place: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Run tests in a copy; return pytest's exit code and the last line that it printed."""
    # Of all that is installed the tests need these; the others cost most of a second each time.
    plugins = ["-p", "no:cacheprovider", "-p", "respx.plugin", "-p", "pytest_timeout"]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--tb=no", *plugins]
    roots = os.pathsep.join(str(place / room) for room in ROOTS)
    # The copy comes before what is installed, and shares nothing with other runs.
    environment = {
        **os.environ,
        "PYTHONPATH": roots,
        "HYPOTHESIS_STORAGE_DIRECTORY": str(place),
        "FALKIT_PLANTED": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    done = subprocess.run(
        [*command, "--assert=plain", *tests],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    # What the tests' own programs write to stderr may come after pytest's last line.
    lines = (done.stdout.strip() or done.stderr.strip() or "it printed nothing").splitlines()
    return done.returncode, lines[-1]


def planted(fault: Fault) -> Verdict:
    """Plant one fault in a copy and run its test."""
    started = time.perf_counter()
    with copied() as place:
        file = place / fault.file
        file.write_text(file.read_text().replace(fault.before, fault.after))
        code, line = tested(place, [fault.test])
    caught = code == 1 and re.search(r"\b\d+ failed", line) and "error" not in line
    return Verdict(fault, time.perf_counter() - started, "" if caught else line)


def sound(faults: Sequence[Fault]) -> str:
    """Run all named tests on the code as it is; return what is wrong, or nothing."""
    with copied() as place:
        code, line = tested(place, list(dict.fromkeys(fault.test for fault in faults)))
    return "" if code == 0 else f"a named test fails without any fault: {line}"


def table(verdicts: Sequence[Verdict]) -> str:
    """Write the verdicts as Markdown."""
    rows = ["| fault | in | caught by |", "|---|---|---|"]
    for verdict in verdicts:
        fault = verdict.fault
        path, _, test = fault.test.partition("::")
        name = test.partition("[")[0].replace("|", "\\|")
        caught = f"`{path.removeprefix('contract_tests/tests/')}` `{name}`"
        rows.append(f"| {fault.name} | `{fault.file}` | {verdict.trouble or caught} |")
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant the faults; 0 if each was caught."""
    parser = argparse.ArgumentParser(description="Plant faults and see that each is caught.")
    parser.add_argument("--write", action="store_true", help="rewrite docs/planted-faults.md")
    parser.add_argument("--quick", action="store_true", help="one for each folder of tests")
    parser.add_argument("words", nargs="*", help="plant only what has one of these in it")
    chosen = parser.parse_args(arguments)
    faults = [
        fault
        for fault in (quick(listed()) if chosen.quick else listed())
        if not chosen.words or any(word in f"{fault.name} {fault.file}" for word in chosen.words)
    ]
    if not faults:
        parser.error(f"no fault's name or file holds {' or '.join(chosen.words)}")
    if troubles := lost(faults):
        print("\n".join(troubles))
        return 1
    started = time.perf_counter()
    with ThreadPoolExecutor((os.cpu_count() or 1) + 2) as pool:
        basis = pool.submit(sound, faults)
        verdicts = list(pool.map(planted, faults))
    if trouble := basis.result():
        print(trouble)
        return 1
    missed = [verdict for verdict in verdicts if verdict.trouble]
    for verdict in verdicts:
        outcome = "MISSED" if verdict.trouble else "caught"
        print(f"{outcome}  {verdict.seconds:4.1f} s  {verdict.fault.name}  {verdict.trouble}")
    seconds = time.perf_counter() - started
    print(f"{len(verdicts) - len(missed)} of {len(verdicts)} faults caught in {seconds:.0f} s")
    if chosen.write and not missed and not chosen.words and not chosen.quick:
        count = f"{len(verdicts)} faults were planted, {len(verdicts)} caught.\n"
        PAGE.write_text(f"{HEAD}\n{count}\n{table(verdicts)}\n")
    return 1 if missed or not verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
