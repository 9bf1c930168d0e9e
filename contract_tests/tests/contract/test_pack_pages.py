"""The pages on webhooks and crashes: their files are written out and run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from falkit_contract.crashes import crash_steps
from falkit_contract.webhooks import webhook_cases
from falkit_mock.core.network import listen

DOCS = Path(__file__).parents[3] / "docs"
WEBHOOKS = (DOCS / "webhook-tests.md").read_text()
CRASHES = (DOCS / "crash-tests.md").read_text()


def files(page: str) -> list[tuple[str, str]]:
    return re.findall(r"```python\n# (\w+\.py)\n(.*?)```", page, re.DOTALL)


def rows(page: str) -> list[str]:
    """Return what stands first in the page's tables, as far as it is one word of code."""
    return re.findall(r"^\| `([\w-]+)` \|", page, re.MULTILINE)


def shown(page: str) -> list[str]:
    """Return the lines of the finding that a page shows."""
    (block,) = re.findall(r"```\n([\w-]+: .*?)```", page, re.DOTALL)
    return [line for line in block.splitlines() if line]


def outcome(project: Path, *words: str) -> str:
    """Return what pytest says in a project that has no mock running."""
    # Plugins of others only cost time here.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment.pop("FALKIT_BASE_URL", None)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *words],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.fixture
def webhooks(tmp_path: Path) -> Path:
    """The webhook page's project."""
    for name, text in files(WEBHOOKS):
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_webhook_pages_handler_passes(webhooks: Path) -> None:
    (counts,) = re.findall(r"```\n(\d+ passed, \d+ skipped)\n```", WEBHOOKS)
    assert counts in outcome(webhooks, "test_fal_webhook.py")


def test_its_asynchronous_test_and_its_program_at_a_url_pass(webhooks: Path) -> None:
    with listen("127.0.0.1", 0) as free:
        port = str(free.getsockname()[1])
    server = webhooks / "test_server.py"
    server.write_text(server.read_text().replace("8011", port))
    (webhooks / "conftest.py").write_text(
        "import pytest\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    )
    names = ["test_fal_webhook_async.py", "test_server.py"]
    said = outcome(webhooks, "-p", "anyio.pytest_plugin", *names)
    # `lost` in both, and `rotated-key` where the program is another's.
    assert f"{2 * len(webhook_cases) - 3} passed, 3 skipped" in said, said


def test_a_webhook_finding_looks_as_the_page_shows(webhooks: Path) -> None:
    backend = webhooks / "backend.py"
    right = 'videos.setdefault(delivery.request_id, delivery.payload["video"]["url"])'
    assert right in backend.read_text()
    wrong = (
        'videos[delivery.request_id] = videos.get(delivery.request_id, "") '
        '+ delivery.payload["video"]["url"]'
    )
    backend.write_text(backend.read_text().replace(right, wrong))
    said = outcome(webhooks, "test_fal_webhook.py")
    assert "1 failed, 12 passed, 1 skipped" in said
    for line in shown(WEBHOOKS):
        assert line in said


def test_the_pages_list_all_cases_and_steps() -> None:
    assert rows(WEBHOOKS)[: len(webhook_cases)] == [case.id for case in webhook_cases]
    steps = re.findall(r"^\| `([\w-]+)` \| (.*) \|$", CRASHES, re.MULTILINE)[: len(crash_steps)]
    assert steps == [(step.id, step.title) for step in crash_steps]


@pytest.mark.parametrize("place", [0, 1])
def test_the_crash_pages_workers_do_as_it_says(place: int, tmp_path: Path) -> None:
    (test,) = [text for name, text in files(CRASHES) if name == "test_crashes.py"]
    worker = [text for name, text in files(CRASHES) if name == "worker.py"][place]
    (tmp_path / "test_crashes.py").write_text(test)
    (tmp_path / "worker.py").write_text(worker)
    said = outcome(tmp_path, "-k", "submitted" if place else "polling")
    if place:
        assert "1 passed" in said, said
    else:
        for line in shown(CRASHES):
            assert line in said, said
