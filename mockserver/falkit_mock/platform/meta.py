"""What an export says beside the tables and the uploads: `meta.json`, written and read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

from falkit_mock.platform.archive import META, BadArchive
from falkit_mock.platform.lifecycle import BadLifecycle, Lifecycle
from falkit_mock.platform.wire_json import NotJson, dumps, loads
from falkit_spec import JSON

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Meta:
    """Everything that is in no table."""

    # The version of falkit that wrote it, and the digest of the database beside it.
    made_by: str
    store: str
    # The clock: unix seconds, and whether time passes by itself.
    now: float
    running: bool
    # What signs tokens and URLs.
    tokens: bytes
    # As Identity and Lifecycle write themselves.
    identity: dict[str, JSON]
    uploads: dict[str, JSON]
    parts: dict[str, JSON]

    @property
    def seeds(self) -> list[tuple[int, int]]:
        """From which job on which seed counts."""
        return [(after, seed) for after, seed in cast("list[list[int]]", self.identity["seeds"])]

    @property
    def counts(self) -> dict[str, int]:
        """How many ids there were of each kind."""
        return cast("dict[str, int]", self.identity["counts"])

    @property
    def lifecycle(self) -> Lifecycle:
        """What uploads get that say nothing of their own."""
        return Lifecycle.read(self.uploads, Lifecycle())

    def written(self) -> bytes:
        """Return it as JSON."""
        return dumps(
            {
                "format": FORMAT,
                "falkit": self.made_by,
                "store": self.store,
                "clock": {"now": self.now, "running": self.running},
                "tokens": self.tokens.hex(),
                "identity": self.identity,
                "uploads": self.uploads,
                "parts": self.parts,
            }
        )

    @classmethod
    def read(cls, data: bytes) -> Meta:
        """Read what `written` gave; raise BadArchive, with what is wrong, for anything else."""
        try:
            value = loads(data)
        except NotJson as error:
            raise BadArchive(f"{META} is no JSON: {error.message}") from None
        if not isinstance(value, dict) or "format" not in value:
            raise BadArchive(f"{META} names no format: it is no export of falkit")
        if value["format"] != FORMAT:
            made_by = value.get("falkit")
            raise BadArchive(
                f"{META} has format {value['format']!r}, written by falkit {made_by}; this falkit "
                f"reads format {FORMAT}, so import it with that version"
            )
        try:
            return cls._of(value)
        except (KeyError, TypeError, ValueError, AssertionError) as error:
            if isinstance(error, BadArchive):
                raise
            raise BadArchive(f"{META} lacks something, or has it wrong: {error!r}") from None

    @classmethod
    def _of(cls, value: dict[str, JSON]) -> Meta:
        clock, identity = _object(value, "clock"), _object(value, "identity")
        seeds = identity["seeds"]
        if not isinstance(seeds, list) or not seeds or not all(map(_is_era, seeds)):
            raise BadArchive(f"{META} has no seeds")
        counts = _object(identity, "counts")
        if not all(isinstance(count, int) and count >= 0 for count in counts.values()):
            raise BadArchive(f"{META} has counts that are none")
        now, running = clock["now"], clock["running"]
        if not isinstance(now, int | float) or not math.isfinite(now):
            raise BadArchive(f"{META} tells no moment")
        uploads = _object(value, "uploads")
        try:
            Lifecycle.read(uploads, Lifecycle())
        except BadLifecycle as error:
            raise BadArchive(f"{META} has uploads.{error}") from None
        return cls(
            made_by=str(value["falkit"]),
            store=str(value["store"]),
            now=now,
            running=running is True,
            tokens=bytes.fromhex(str(value["tokens"])),
            identity=identity,
            uploads=uploads,
            parts=_object(value, "parts"),
        )


def _object(value: dict[str, JSON], name: str) -> dict[str, JSON]:
    found = value[name]
    if not isinstance(found, dict):
        raise BadArchive(f"{META} has no {name}")
    return found


def _is_era(value: JSON) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(number, int) and not isinstance(number, bool) for number in value)
    )
