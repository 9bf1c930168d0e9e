"""Every client unmodified, in its own process, over real sockets, under `falkit run`.

Nothing in the programs is about falkit, and the shell has no key.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from clients.operations import Program
from clients.place import PLACE, under_falkit
from clients.unchanged import PROGRAMS
from falkit import Settings
from serving import running


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_client_runs_unchanged(
    program: Program, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    told = program.told(tmp_path)
    assert set(told) == program.declared()
    for client in program.clients:
        for operation in client.operations:
            with subtests.test(f"{client.title}: {operation.label}"):
                operation.judge(told[client.title, operation.name])


WAITED = ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
DOCUMENTED = {
    "subscribe.py": ("python", ["Queued", "InProgress", "Completed"]),
    "subscribe.mjs": ("node", WAITED),
}


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_program_as_fal_documents_it_prints_updates_logs_and_the_result(
    name: str, tmp_path: Path
) -> None:
    kind, updates = DOCUMENTED[name]
    command = PLACE.command(kind, name)
    assert "falkit" not in Path(command[-1]).read_text()
    done = under_falkit(tmp_path, ["--timing", "polls"], command)
    printed = done.stdout.splitlines()
    assert [line for line in printed if ":" not in line] == updates
    assert sum(line.startswith("log: ") for line in printed) > 1
    assert printed[-1].startswith("url: https://v3b.fal.media/files/b/")
    summary = "; 1 job: 1 done; would have cost $0.36; nothing tried to leave\n"
    assert summary in done.stderr


def test_the_ai_sdk_makes_images_by_the_address_of_a_served_mock() -> None:
    with running(Settings(timing="instant")) as mock:
        command = [*PLACE.command("node", "served.mjs"), mock.url]
        assert subprocess.check_output(command, text=True, timeout=60) == "image/jpeg true\n"
