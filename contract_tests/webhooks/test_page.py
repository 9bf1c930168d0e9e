"""What docs/webhooks.md and docs/fidelity.md say of the sending side, compared with the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from falkit_mock.platform.webhooks.faults import WEBHOOK_FAULTS
from falkit_mock.platform.webhooks.samples import ABOUT, SAMPLES
from falkit_mock.platform.webhooks.schedule import SCHEDULES

DOCS = Path(__file__).parent.parent.parent / "docs"
SENDING = (DOCS / "webhooks.md").read_text().partition("## What the mock sends")[2]
FALKIT = str(Path(sys.executable).with_name("falkit"))


def test_every_fault_is_in_the_table_as_it_is() -> None:
    rows = dict(re.findall(r"^\| `webhook_(\w+)` \| (.+) \|$", SENDING, re.MULTILINE))
    assert rows == {
        fault.name: f"{fault.about} | "
        + (", ".join(f"`{one.name}` ({one.default:g})" for one in fault.parameters) or "nothing")
        for fault in WEBHOOK_FAULTS.values()
    }


def test_every_kind_is_in_the_table() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (.+) \|$", SENDING, re.MULTILINE)
    assert [row for row in rows if row[0] in SAMPLES] == list(zip(SAMPLES, ABOUT, strict=True))


def test_the_moments_of_both_schedules_are_those_of_the_code() -> None:
    page = (DOCS / "fidelity.md").read_text()
    (row,) = re.findall(r"^\| retries \| (.+) \| (.+) \|$", page, re.MULTILINE)
    older, newest = ([int(number) for number in re.findall(r"\d+", cell)] for cell in row)
    assert older == [round(moment) for moment in SCHEDULES["two-hours"].offsets]
    offsets = SCHEDULES["until-expiry"].offsets
    *first, pause, most, _ = newest
    assert tuple(first) == offsets[:8]
    assert all(offsets[turn + 1] - offsets[turn] == pause for turn in range(7, 29))
    assert len(offsets) == most


def test_the_options_that_the_page_names_exist() -> None:
    known: set[str] = set()
    for command in ("serve", "listen", "trigger", "resend"):
        shown = subprocess.check_output([FALKIT, command, "--help"], text=True, timeout=60)
        known.update(re.findall(r"--[a-z][a-z-]+", shown))
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", SENDING)) <= known
