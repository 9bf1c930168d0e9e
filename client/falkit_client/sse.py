"""Server-sent events, read piece by piece: bytes may be cut anywhere, comments come in between."""

from __future__ import annotations


class EventReader:
    r"""Turns pieces of an event stream into the data of its events.

    Lines end in `\n`, `\r\n` or `\r`, and nowhere else: a line separator inside JSON is data.

    >>> reader = EventReader()
    >>> reader.feed("data: {\"a\"")
    []
    >>> reader.feed(": 1}\n\n: still here\n\n")
    ['{"a": 1}']
    """

    def __init__(self) -> None:
        """Start at the head of a stream."""
        self._rest = ""
        self._data: list[str] = []
        self._started = False

    def feed(self, piece: str) -> list[str]:
        """Take the next piece of text; give the data of each event that it completes."""
        if not self._started and piece:
            self._started = True
            piece = piece.removeprefix("\ufeff")
        events = [self._read(line) for line in self._lines(piece)]
        return [data for data in events if data is not None]

    def _lines(self, piece: str) -> list[str]:
        text = self._rest + piece
        # A last "\r" may be half of "\r\n": it waits for the next piece.
        held = "\r" if text.endswith("\r") else ""
        text = text.removesuffix("\r").replace("\r\n", "\n").replace("\r", "\n")
        *lines, last = text.split("\n")
        self._rest = last + held
        return lines

    def _read(self, line: str) -> str | None:
        if not line:
            event, self._data = self._data, []
            return "\n".join(event) if event else None
        name, _, value = line.partition(":")
        if name == "data":
            self._data.append(value.removeprefix(" "))
        return None
