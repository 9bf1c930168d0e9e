"""Lists in an output: an item for each file, or for each part of what is said or heard."""

from __future__ import annotations

from collections.abc import Sequence

from falkit_mock.outputs.draft import MISSING, Draft, Missing, Step
from falkit_mock.outputs.measures import number_in
from falkit_mock.outputs.texts import rows
from falkit_spec import JSON
from falkit_spec.schema import ordered, resolve
from falkit_spec.types import Object, is_object

# Lists of such a name are of what is said when, even if the document doesn't tell their items.
TIMED = frozenset(("timestamps", "words", "segments", "chunks", "subtitles", "sentences"))


def several(step: Step, low: int, high: int, each: bool, counted: str = "") -> Step:
    """Return what writes a list: an item for each file that is asked for, or as few as it takes.

    `counted` is an input that says how many there are.
    """

    def write(draft: Draft) -> JSON:
        asked = number_in(draft.input.get(counted)) or (draft.figures.count if each else 1)
        count = min(max(int(asked), low), high)
        made = [step(draft) for _ in range(count)]
        return [one for one in made if one is not MISSING]

    return write


def counting(names: Sequence[str], inputs: Object) -> str:
    """Return the input that says how many items a list has: `num_masks` of `masks`."""
    ways = (f"{number}_{names[0]}" for number in ("num", "number_of")) if names else ()
    return next((name for name in ways if name in inputs), "")


def is_of_rows(item: Object, root: Object) -> bool:
    """Tell whether a list's items are parts of a spoken text, each with its times."""
    fields = {name for name, node in ordered(item).items() if is_object(resolve(node, root))}
    timed = "timestamp" in fields or "timestamps" in fields
    return timed or (bool(fields & {"start", "start_time"}) and bool(fields & {"end", "end_time"}))


def rows_of(step: Step, *, by_word: bool, chunks: bool = False) -> Step:
    """Return what writes an item for each part of the text that is heard, or spoken."""

    def write(draft: Draft) -> JSON:
        figures = draft.figures
        if chunks and draft.input.get("chunk_level") == "none":
            return []
        heard = hears(draft)
        said = draft.heard if heard else figures.said
        seconds = figures.heard_seconds if heard else figures.sound_seconds
        made: list[JSON] = []
        words_too = by_word or draft.input.get("chunk_level") == "word"
        for row in rows(said, seconds, by_word=words_too):
            draft.row = row
            if (item := step(draft)) is not MISSING:
                made.append(item)
        draft.row = None
        return made

    return write


def times_told(step: Step) -> Step:
    """Return what writes an output that tells what is said when: its text is of these parts."""

    def write(draft: Draft) -> JSON | Missing:
        draft.timed = True
        return step(draft)

    return write


def hears(draft: Draft) -> bool:
    """Tell whether the input has a sound to be transcribed, and no text to be spoken."""
    figures = draft.figures
    # A prompt tells a model that hears which names to expect.
    return not figures.said if draft.timed else "audio" in figures.kinds and not figures.text


def span(draft: Draft) -> JSON:
    """Return when the part of a spoken text begins and ends, in seconds."""
    return [draft.row.start, draft.row.end] if draft.row else [0, 0]


def row(draft: Draft) -> JSON:
    """Return a part of a spoken text as such lists have it where no document says more."""
    part = draft.row
    return None if part is None else {"text": part.text, "start": part.start, "end": part.end}
