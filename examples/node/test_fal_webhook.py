"""The service's webhook, against what fal's do besides coming once and in time."""

from __future__ import annotations

import os
import subprocess

import httpx
import pytest

from falkit_contract.webhooks import environ, webhook_cases

# First, since the service asks for new keys once a minute and no more.
CASES = sorted(webhook_cases, key=lambda case: case.id != "rotated-key")


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    clips = str(tmp_path_factory.mktemp("clips"))
    env = {**os.environ, **environ(), "PORT": "0", "CLIPS": clips}
    command = ["node", "server.js"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as program:
        url = program.stdout.readline().split()[-1]
        with httpx.Client(base_url=url) as http:
            yield http
        program.terminate()


@pytest.mark.parametrize("case", CASES)
def test_fal_webhook(case, service):
    def clip(request_id, state):
        record = service.get(f"/api/clips/{request_id}").json()
        return record if record.get("state") == state else None

    case.check(
        f"{service.base_url}/webhooks/fal",
        stored=lambda request_id: clip(request_id, "done"),
        failed=lambda request_id: clip(request_id, "failed"),
    )
