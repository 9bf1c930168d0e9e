"""Watches a mock from a process of its own: prints the worst wait for /health, in seconds.

`python prober.py HOST PORT`, until its standard input ends.
"""

from __future__ import annotations

import select
import socket
import sys
import time

REQUEST = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"
# Seconds between two looks.
PAUSE = 0.02


def main(host: str, port: int) -> None:
    worst = 0.0
    while not select.select([sys.stdin], [], [], PAUSE)[0]:
        began = time.perf_counter()
        try:
            with socket.create_connection((host, port), 60) as connection:
                connection.sendall(REQUEST)
                while connection.recv(4096):
                    pass
        except OSError:
            # It has ended, which others will notice.
            break
        worst = max(worst, time.perf_counter() - began)
    print(worst)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
