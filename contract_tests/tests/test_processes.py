from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import processes

ROOT = Path(__file__).parents[2]
IGNORES = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""
SIGNALLED = """
import signal, subprocess, sys, threading

def test_it():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as program:
        program.send_signal(signal.SIGINT)
        program.send_signal(signal.SIGHUP)
        program.wait(10)
"""
CRASHES = """
import ctypes

def test_it():
    ctypes.string_at(8)
"""
CONFTEST = """
import crashes, processes

processes.let_programs_heed_signals()

def pytest_configure(config):
    config.pluginmanager.register(crashes.Crashes())
"""
WAITS = """
import pytest, threading

@pytest.mark.timeout(0.5)
def test_it():
    threading.Event().wait()
"""


def outcome(folder: Path, test: str, ignored: str) -> str:
    """Run a test as this project's are run, from a shell that ignores some signals."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(test)
    settings = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder)]
    command = [sys.executable, "-m", "pytest", "-n", "1", "-p", "no:cacheprovider", *settings]
    done = subprocess.run(
        ["sh", "-c", f"trap '' {ignored}; exec \"$@\"", "sh", *command, str(folder)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


def test_a_program_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GRACE", 0.1)
    with processes.started([sys.executable, "-c", IGNORES]) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
    assert program.returncode == -9


def test_signals_reach_programs_of_a_run_in_the_background(tmp_path: Path) -> None:
    assert "1 passed" in outcome(tmp_path, SIGNALLED, "INT HUP QUIT")


def test_a_test_that_waits_for_ever_is_ended_by_its_limit(tmp_path: Path) -> None:
    printed = outcome(tmp_path, WAITS, "USR1")
    assert "1 failed" in printed
    assert "Timeout" in printed


def test_each_test_has_a_limit(request: pytest.FixtureRequest) -> None:
    assert float(str(request.config.getini("timeout"))) > 0
    assert threading.main_thread() is threading.current_thread(), "the limit interrupts this one"


def test_a_process_that_crashes_says_where_at_the_end(tmp_path: Path) -> None:
    said = outcome(tmp_path, CRASHES, "USR1").partition("a test process crashed")[2]
    assert "gw0 ended with -11" in said
    assert "in string_at" in said
    assert "test_it.py" in said
