"""Watches a mock from a process of its own: prints the worst wait for /health, in seconds.

`python prober.py HOST PORT PID...`, until its standard input ends. What any of the processes waits
for a processor, as on a machine with more to do, isn't counted.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from pathlib import Path

REQUEST = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
# Seconds between two looks.
PAUSE = 0.02


def starved(pid: str) -> float:
    """Return the seconds for which a process's first thread has waited for a processor."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        # The kernel doesn't count it, or it has ended.
        return 0.0


def main(host: str, port: int, pids: list[str]) -> None:
    worst, all = 0.0, [*pids, "self"]
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        began = time.perf_counter() - sum(map(starved, all))
        try:
            with socket.create_connection((host, port), 60) as connection:
                connection.sendall(REQUEST)
                while connection.recv(4096):
                    pass
        except OSError:
            # It has ended, which others will notice.
            break
        worst = max(worst, time.perf_counter() - sum(map(starved, all)) - began)
    print(worst)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
