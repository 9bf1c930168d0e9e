"""Documents' outputs examined: by fal.run and by the queue, each file read by another reader.

    python contract_tests/tests/examining.py FOLDER…

prints a table by kind of all documents in folders.
"""

from __future__ import annotations

import base64
import math
import mimetypes
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from asking import Asked, drawn
from fal_documents import endpoints_in
from falkit import Settings
from falkit_spec import JSON, Catalog, Endpoint
from falkit_spec.types import is_array, is_number, is_object
from opening import Opened, opened
from serving import Mock, output_in, running

_ENDINGS = {"audio/wav": ".wav", "audio/ogg": ".ogg", "audio/mp4": ".m4a"}
_SLOWEST, _FASTEST = 8, 30
"""Characters that a voice speaks in a second."""


@dataclass
class Row:
    """What was looked at of one kind of file, or of text."""

    documents: set[str] = field(default_factory=set[str])
    files: int = 0
    formats: Counter[str] = field(default_factory=Counter[str])
    checked: dict[str, dict[str, set[object]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )
    """By size, length and count: what was asked for of each document, and held."""
    failures: int = 0


@dataclass
class Examined:
    """All that was looked at, and what is wrong."""

    rows: dict[str, Row] = field(default_factory=lambda: defaultdict(Row))
    wrong: list[str] = field(default_factory=list[str])
    calls: Counter[str] = field(default_factory=Counter[str])

    @property
    def formats(self) -> Counter[str]:
        return sum((row.formats for row in self.rows.values()), Counter[str]())

    def table(self) -> str:
        """Return a table by kind; of sizes and the like how many documents had two or more."""
        lines = [
            f"{self.calls['run']} calls by fal.run, {self.calls['queue']} by the queue",
            "| kind | documents | files | formats | sizes | lengths | counts | failures |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for kind, row in sorted(self.rows.items()):
            formats = ", ".join(f"{name} {count}" for name, count in row.formats.most_common())
            said: list[str] = []
            for what in ("sizes", "lengths", "counts"):
                asked = [len(values) for values in row.checked[what].values()]
                several = sum(1 for count in asked if count > 1)
                said.append(f"{sum(asked)} ({several} of {len(asked)} documents: 2 or more)")
            parts = (kind, len(row.documents), row.files, formats, *said, row.failures)
            lines.append(f"| {' | '.join(map(str, parts))} |")
        return "\n".join(lines)


def examine(mock: Mock, endpoint: Endpoint, found: Examined, count: int, *, both: bool) -> None:
    """Call with drawn inputs by turns, or `both` ways each, and look at what comes."""
    base = endpoint.example_input()
    for number, one in enumerate(drawn(endpoint, count)):
        ways = ("run", "queue")
        for way in ways if both or number == 0 else (ways[number % 2],):
            changed = {
                name: str(value)[:40]
                for name, value in one.input.items()
                if base.get(name) != value
            }
            before = len(found.wrong)
            kinds = _examined(mock, endpoint, one, way, found)
            where = f"{endpoint.id} by {way} {changed}: "
            found.wrong[before:] = [where + why for why in found.wrong[before:]]
            for kind in kinds or ["text"]:
                found.rows[kind].documents.add(endpoint.id)
            if len(found.wrong) > before:
                found.rows[kinds[0] if kinds else "text"].failures += 1


def _examined(mock: Mock, endpoint: Endpoint, one: Asked, way: str, found: Examined) -> list[str]:
    """Call once; return the kinds of files that came, the first first."""
    found.calls[way] += 1
    if way == "run":
        reply = mock.run(one.input, endpoint.id)
    else:
        job = mock.submit(one.input, endpoint.id)
        while (status := mock.status(job))["status"] != "COMPLETED":
            assert status["status"] in ("IN_QUEUE", "IN_PROGRESS")
        reply = mock.result(job)
    if reply.status_code != 200:
        found.wrong.append(f"{reply.status_code} {reply.text[:200]}")
        return []
    output = output_in(reply)
    found.wrong += endpoint.validate_output(output)
    found.wrong += told_wrongly(output)
    seen: list[Opened] = []
    for url, told in files_in(output):
        inline = url.startswith("data:") and one.inline
        if not inline and not url.startswith(f"{mock.url}/"):
            # An echo of what the input has.
            if url not in str(one.input):
                found.wrong.append(f"{url[:80]} isn't ours")
            continue
        try:
            seen.append(within(url, told) if inline else fetched(mock, url, told))
        except Exception as error:
            found.wrong.append(f"{url}: {error!r}"[:600])
    for file in seen:
        row = found.rows[file.kind]
        row.files += 1
        row.formats[file.format] += 1
    wrong, held = compared(one, seen, output)
    found.wrong += wrong
    for kind, what, value in held:
        found.rows[kind].checked[what][endpoint.id].add(value)
    return [*dict.fromkeys(file.kind for file in seen)]


def files_in(value: JSON) -> Iterator[tuple[str, Mapping[str, JSON]]]:
    """Yield the URLs of an output, each with the object that has it."""
    if is_object(value):
        for name, part in value.items():
            if isinstance(part, str) and (name == "url" or re.match(r"(https?|data):", part)):
                yield part, value if name == "url" else {}
            else:
                yield from files_in(part)
    elif is_array(value):
        for part in value:
            if isinstance(part, str) and re.match(r"(https?|data):", part):
                yield part, {}
            else:
                yield from files_in(part)


def fetched(mock: Mock, url: str, told: Mapping[str, JSON]) -> Opened:
    """Fetch a file, its head and a part of it; see `looked_at`."""
    reply = mock.http.get(url)
    assert reply.status_code == 200, reply.status_code
    content_type, name = reply.headers["content-type"], url.rpartition("/")[2]
    part = mock.http.get(url, headers={"range": "bytes=3-9"})
    assert (part.status_code, part.content) == (206, reply.content[3:10])
    head = mock.http.head(url)
    assert head.headers["content-length"] == str(len(reply.content))
    assert head.headers["content-type"] == content_type
    return looked_at(name, content_type, reply.content, told)


def within(url: str, told: Mapping[str, JSON]) -> Opened:
    """Read a data URI as `fetched` does a file."""
    head, _, text = url.partition(";base64,")
    content_type = head.removeprefix("data:")
    ending = _ENDINGS.get(content_type) or mimetypes.guess_extension(content_type)
    return looked_at(f"inline{ending}", content_type, base64.b64decode(text), told)


def looked_at(name: str, content_type: str, data: bytes, told: Mapping[str, JSON]) -> Opened:
    """Open a file; hold what is told of it to what its reader sees."""
    if content_type == "image/svg+xml":
        root = ElementTree.fromstring(data)
        size = (int(root.attrib["width"]), int(root.attrib["height"]))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        file = Opened("image", size, format="svg")
    else:
        file = opened(name, content_type, data)
    facts: dict[str, Any] = {
        "content_type": content_type,
        "width": file.size[0],
        "height": file.size[1],
        "fps": file.fps,
        "num_frames": file.frames,
        "duration": file.seconds,
        "file_size": len(data),
    }
    for key, fact in facts.items():
        said = told.get(key)
        if said is None or fact == 0:
            # Of what has no such figure anything may be told.
            continue
        near = is_number(said) and math.isclose(said, fact, rel_tol=2e-3, abs_tol=0.06)
        assert near or said == fact, f"{key}: {said}, not {fact}"
    return file


def compared(
    one: Asked, seen: list[Opened], output: JSON
) -> tuple[list[str], list[tuple[str, str, object]]]:
    """Return in what the files differ from what was asked for, and what of it held."""
    wrong: list[str] = []
    held: list[tuple[str, str, object]] = []

    def hold(kind: str, what: str, value: object, right: bool, why: str) -> None:
        if right:
            held.append((kind, what, value))
        else:
            wrong.append(f"{what}: {value} was asked for, {why} it is")

    shown = next((file for file in seen if file.kind in ("image", "video")), None)
    heard = next((file for file in seen if file.kind in ("video", "audio")), None)
    if one.count is not None and is_object(output):
        for name in ("images", "videos"):
            if is_array(listed := output.get(name)):
                kind = shown.kind if shown else "image"
                hold(kind, "counts", one.count, len(listed) == one.count, str(len(listed)))
                flags = output.get("has_nsfw_concepts")
                if is_array(flags) and len(flags) != len(listed):
                    wrong.append(f"{len(flags)} flags of {len(listed)} pictures")
    if shown is not None:
        _sizes(one, shown, hold)
    if shown is not None and shown.kind == "video":
        for name, asked, is_ in (
            ("frames", one.frames, shown.frames),
            ("fps", one.fps, shown.fps),
            ("sound", one.sound, shown.sound),
        ):
            if asked is None or (name == "sound" and shown.format == "gif"):
                continue
            # A GIF's pictures last whole hundredths of a second.
            loose = name != "sound" and shown.format == "gif"
            right = math.isclose(asked, is_, rel_tol=0.25 if loose else 1e-3)
            what = "lengths" if name == "frames" else name
            hold("video", what, asked, right, str(is_))
    if one.seconds is not None and heard is not None:
        near = abs(heard.seconds - one.seconds) <= 0.1
        hold(heard.kind, "lengths", one.seconds, near, f"{heard.seconds:.2f} s")
    elif (
        one.spoken and heard is not None and heard.kind == "audio" and "audio_url" not in one.input
    ):
        least, most = one.spoken / _FASTEST, max(one.spoken / _SLOWEST, 1.1)
        near = least <= heard.seconds <= most
        hold("audio", "lengths", one.spoken, near, f"{heard.seconds:.2f} s")
    media = [file for file in seen if file.kind in ("image", "audio", "video", "model")]
    if one.format and media:
        came = media[0].format
        right = came == one.format or (one.inline and {came, one.format} == {"ogg", "opus"})
        hold(media[0].kind, "formats", one.format, right, came)
    return wrong, held


def _sizes(one: Asked, shown: Opened, hold: Any) -> None:
    width, height = shown.size
    if one.size is not None:
        even = shown.kind == "video"
        sides = tuple(side - side % 2 for side in one.size) if even else one.size
        most = 4096 if even else 16_384
        if max(sides) <= most:
            hold(shown.kind, "sizes", one.size, shown.size == sides, f"{width}x{height}")
        return
    if one.ratio is not None:
        near = abs(width / height / one.ratio - 1) < 0.03
        hold(shown.kind, "sizes", f"ratio {one.ratio:.3f}", near, f"{width}x{height}")
    if one.lines is not None:
        right = min(shown.size) == one.lines
        hold(shown.kind, "sizes", f"{one.lines} lines", right, f"{width}x{height}")
    if one.area is not None and shown.kind == "image":
        near = abs(width * height / one.area - 1) < 0.1
        hold(shown.kind, "sizes", f"{one.area:.0f} pixels", near, f"{width}x{height}")


def told_wrongly(output: JSON) -> list[str]:
    """Return what an output tells of its texts that can't be: times, and counts of tokens."""
    if not is_object(output):
        return []
    wrong: list[str] = []
    for name in ("chunks", "segments", "words"):
        rows = output.get(name)
        ends = [end for row in rows if (end := _end(row)) is not None] if is_array(rows) else []
        if ends != sorted(ends) or any(end < 0 or end > 600 for end in ends):
            wrong.append(f"{name}: times don't rise: {ends}")
    usage = output.get("usage")
    if is_object(usage):
        said = [usage.get(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")]
        numbers = [number for number in said if is_number(number)]
        if len(numbers) == 3 and numbers[0] + numbers[1] != numbers[2]:
            wrong.append(f"usage doesn't add up: {usage}")
    for name, value in output.items():
        if name in ("output", "text", "description") and value == "":
            wrong.append(f"{name} is empty")
    return wrong


def _end(row: JSON) -> float | None:
    if not is_object(row):
        return None
    times = row.get("timestamp")
    end = times[-1] if is_array(times) and times else row.get("end")
    return float(end) if is_number(end) else None


def served(
    endpoints: Iterable[Endpoint],
    found: Examined,
    count: int,
    *,
    both: bool,
    catalog: Catalog | None = None,
) -> None:
    """Serve documents, or a catalog that has them, and examine each."""
    each = {one.id: one for one in endpoints}
    known = catalog or Catalog.from_documents([one.document for one in each.values()])
    with running(Settings(timing="instant", seed=1), catalog=known) as mock:
        for endpoint in each.values():
            examine(mock, endpoint, found, count, both=both)


def dated(endpoints: Mapping[str, Endpoint]) -> dict[str, list[Endpoint]]:
    """Divide documents by the folder in which they are: an id may be in several, one for a date."""
    found: dict[str, list[Endpoint]] = {}
    for place, endpoint in endpoints.items():
        found.setdefault(place.removesuffix(endpoint.id).strip("/"), []).append(endpoint)
    return found


def main(folders: list[str]) -> int:
    """Examine all documents of each folder; return 1 where something is wrong."""
    found = Examined()
    for folder in folders:
        for some in dated(endpoints_in(Path(folder))).values():
            served(some, found, 4, both=True)
    print(found.table())
    print("\n".join(found.wrong))
    return int(bool(found.wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
