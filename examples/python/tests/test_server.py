"""Service and worker as they are deployed, each a program of its own."""

import os
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from falkit_contract.pytest_plugin import FalServer

from clips.worker import MODEL

HERE = Path(__file__).parents[1]


@pytest.fixture
def url(fal_server: FalServer, tmp_path: Path) -> Generator[str]:
    """Both programs on a port of this test's own, led to the mock by their environment."""
    # Listening before anything is started: no call comes too early.
    with socket.create_server(("127.0.0.1", 0)) as listener, ExitStack() as stack:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        environ = {
            **os.environ,
            **fal_server.environ,
            "CLIPS_FOLDER": str(tmp_path),
            "CLIPS_URL": url,
        }
        fd = str(listener.fileno())
        for words in (
            ["uvicorn", "--factory", "clips.app:create_app", "--fd", fd],
            ["clips.worker"],
        ):
            command = [sys.executable, "-m", *words]
            program = stack.enter_context(
                subprocess.Popen(command, cwd=HERE, env=environ, pass_fds=[listener.fileno()])
            )
            stack.callback(program.terminate)
        yield url


@pytest.mark.fal(timing="0,0.1")
def test_an_order_becomes_an_mp4(url: str, fal_server: FalServer) -> None:
    with httpx.Client(base_url=url, timeout=30) as http:
        clip = f"/clips/{http.post('/clips', json={'prompt': 'Rain'}).json()['id']}"
        fal_server.wait_for(lambda: http.get(clip).json()["status"] == "ready", timeout=30)
        video = http.get(f"{clip}/video.mp4")
    assert video.content[4:8] == b"ftyp"
    fal_server.assert_submitted(MODEL, {"prompt": "Rain"}, times=1)
    assert [delivery.status for delivery in fal_server.webhooks] == ["acknowledged"]
