"""Suites of a project of somebody else's: pytest runs there, with plugins that are named."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

_SPENT = re.compile(r"^=+ (.*) in [\d.]+s.* =+$", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What pytest said, and what its report has of each test by its name."""

    said: str
    # "passed", or what the test failed with.
    tests: dict[str, str]
    properties: dict[str, dict[str, str]]

    @property
    def counts(self) -> str:
        """The last line, such as `3 passed, 1 failed`."""
        (found,) = _SPENT.findall(self.said)[-1:]
        return str(found)


def environment(home: Path, **variables: str) -> dict[str, str]:
    """Return an environment without plugins of others, and with a key that costs money."""
    around = {name: text for name, text in os.environ.items() if not name.startswith("FAL")}
    own = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "FALKIT_HOME": str(home)}
    return {**around, **own, "FAL_KEY": "real:key", "FAL_KEY_SECRET": "real", **variables}


def command(*words: str) -> list[str]:
    """Return what runs pytest there, with the plugin falkit."""
    pytest = [
        sys.executable,
        "-m",
        "pytest",
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
        "-p",
        "falkit",
    ]
    return [*pytest, *words]


def outcome(project: Path, home: Path, *words: str, **variables: str) -> Outcome:
    """Run pytest in a project, and return what came of it."""
    report = project / "report.xml"
    done = subprocess.run(
        command("--junitxml", str(report), *words),
        cwd=project,
        env=environment(home, **variables),
        capture_output=True,
        text=True,
        check=False,
    )
    tests, properties = dict[str, str](), dict[str, dict[str, str]]()
    for case in ElementTree.parse(report).iter("testcase") if report.exists() else ():
        name = case.attrib["name"]
        problem = next((one for one in case if one.tag in ("failure", "error", "skipped")), None)
        told = None if problem is None else problem.text or problem.attrib.get("message", "")
        tests[name] = "passed" if told is None else told
        properties[name] = {
            one.attrib["name"]: one.attrib["value"] for one in case.iter("property")
        }
    return Outcome(done.stdout + done.stderr, tests, properties)
