"""A mock that ends with the program which started it, however that ends: its stdin does, too."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress

import click

# For who starts it, so it is in no file of settings.
STOP_WITH_STDIN = click.Option(
    ["--stop-with-stdin"],
    is_flag=True,
    help="Stop once stdin ends, as it does when the program that holds its other end is gone.",
)


def at_end_of_stdin(act: Callable[[], object]) -> None:
    """Call something once stdin has ended, from a thread of its own."""

    def wait() -> None:
        # Without a stdin there is none that could end later.
        with suppress(OSError):
            while os.read(0, 4096):
                pass
        act()

    threading.Thread(target=wait, daemon=True).start()
