"""What docs/webhooks.md and docs/fidelity.md say of the sending side, compared with the code."""

from __future__ import annotations

import re
from pathlib import Path

from falkit_client.listener import listen
from falkit_mock.cli.faults import page
from falkit_mock.cli.serve import serve
from falkit_mock.cli.webhooks import deliveries, resend, trigger
from falkit_mock.faults.catalogue import FAULTS
from falkit_mock.webhooks import SCHEDULES
from falkit_mock.webhooks.signing import ABOUT, SAMPLES

DOCS = Path(__file__).parents[3] / "docs"
SENDING = (DOCS / "webhooks.md").read_text().partition("## What the mock sends")[2]


def test_the_table_of_faults_is_that_of_the_rules() -> None:
    faults = [fault for fault in FAULTS.values() if fault.family == "webhook"]
    assert page(faults) in SENDING, "falkit faults --format markdown prints it"


def test_every_kind_is_in_the_table() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (.+) \|$", SENDING, re.MULTILINE)
    assert [row for row in rows if row[0] in SAMPLES] == list(zip(SAMPLES, ABOUT, strict=True))


def test_the_moments_of_both_schedules_are_those_of_the_code() -> None:
    told = (DOCS / "fidelity.md").read_text()
    (row,) = re.findall(r"^\| retries \| (.+) \| (.+) \|$", told, re.MULTILINE)
    older, newest = ([int(number) for number in re.findall(r"\d+", cell)] for cell in row)
    assert older == [round(moment) for moment in SCHEDULES["two-hours"].offsets]
    offsets = SCHEDULES["until-expiry"].offsets
    *first, pause, most, _ = newest
    assert tuple(first) == offsets[:8]
    assert all(offsets[turn + 1] - offsets[turn] == pause for turn in range(7, 29))
    assert len(offsets) == most


def test_the_options_that_the_page_names_exist() -> None:
    commands = (serve, listen, trigger, resend, deliveries)
    known = {option for one in commands for each in one.params for option in each.opts}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", SENDING)) <= known
