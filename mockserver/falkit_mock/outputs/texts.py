"""Made-up text: what it says follows from an input and a seed; and when which part is spoken."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from math import floor
from typing import NamedTuple

_WORDS = (
    *("the", "a", "one", "every", "some", "quiet", "early", "small"),
    *("blue", "green", "old", "tall", "warm", "late", "open", "bright"),
    *("slow", "river", "harbour", "garden", "window", "street", "letter", "table"),
    *("lantern", "bridge", "station", "morning", "evening", "cloud", "field", "winter"),
    *("summer", "stone", "paper", "clock", "boat", "bird", "tree", "hill"),
    *("road", "turns", "waits", "opens", "begins", "follows", "crosses", "holds"),
    *("keeps", "leaves", "finds", "carries", "answers", "over", "under", "beside"),
    *("behind", "along", "between", "toward", "again", "still", "always", "soon"),
    *("there", "and", "while", "then"),
)
_OF_BYTE = [_WORDS[byte % len(_WORDS)] for byte in range(256)]
# Words that a sentence has, at least and fewer than.
_SENTENCE = (6, 11)
# Seconds of a part, where words don't divide a text.
_PART = 4.0
MOST_PARTS = 200


def noise(source: str, count: int) -> bytes:
    """Return so many bytes that follow from a text."""
    parts = range(-(-count // 64))
    digests = (blake2b(f"{source} {part}".encode(), digest_size=64).digest() for part in parts)
    return b"".join(digests)[:count]


def made_up(source: str, count: int = 18) -> str:
    """Return sentences of so many words that follow from a text, such as a digest and a seed."""
    numbers = noise(source, max(count, 1))
    found = [_OF_BYTE[byte] for byte in numbers]
    sentences: list[str] = []
    at = 0
    while at < len(found):
        least, most = _SENTENCE
        length = least + numbers[at] % (most - least)
        part = " ".join(found[at : at + length])
        sentences.append(f"{part[0].upper()}{part[1:]}.")
        at += length
    return " ".join(sentences)


def tokens(text: str) -> int:
    """Return how many tokens a text is taken to have: four characters each."""
    return -(-len(text) // 4)


class Row(NamedTuple):
    """A part of a spoken text, and when it is spoken, in seconds."""

    text: str
    start: float
    end: float


def rows(text: str, seconds: float, *, by_word: bool) -> Sequence[Row]:
    """Divide a text among the time that it takes: sentences, or words."""
    spoken = text.split()
    if not spoken:
        return ()
    most = len(spoken) if by_word else max(round(seconds / _PART), 1)
    count = min(most, len(spoken), MOST_PARTS)
    found: list[Row] = []
    for place in range(count):
        first, last = (len(spoken) * (place + step) // count for step in (0, 1))
        start, end = (_hundredths(seconds * (place + step) / count) for step in (0, 1))
        found.append(Row(" ".join(spoken[first:last]), start, end))
    return found


def _hundredths(seconds: float) -> float:
    """Return seconds as models of speech tell them, never behind the sound's end."""
    return floor(round(seconds * 100, 6)) / 100
