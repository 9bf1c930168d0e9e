"""Orders, and how far each is: a table in SQLite, with a folder of MP4s beside it."""

import os
import secrets
import sqlite3
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

TABLE = """
CREATE TABLE IF NOT EXISTS clips (
    id TEXT PRIMARY KEY,
    token TEXT NOT NULL UNIQUE,
    prompt TEXT NOT NULL,
    tried REAL,
    request_id TEXT UNIQUE,
    due REAL,
    url TEXT,
    error TEXT,
    stored REAL
)
"""


@dataclass(frozen=True)
class Clip:
    """One order."""

    id: str
    # What the webhook's URL has, and nobody else knows.
    token: str
    prompt: str
    # When a submit was begun; fal's id once it has returned.
    tried: float | None
    request_id: str | None
    # From when on the webhook is overdue.
    due: float | None
    # How the job ended: its file at fal, or why there is none.
    url: str | None
    error: str | None
    # When the MP4 was whole in the folder.
    stored: float | None

    @property
    def status(self) -> Literal["making", "ready", "failed"]:
        if self.error is not None:
            return "failed"
        return "making" if self.stored is None else "ready"


class Store:
    """What the service and its worker share; each call is a transaction of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with self._open() as db:
            db.execute(TABLE)

    @classmethod
    def from_environ(cls) -> Self:
        return cls(Path(os.environ.get("CLIPS_FOLDER", "clips-data")))

    def path(self, clip: Clip) -> Path:
        """Return where the MP4 is, once it is stored."""
        return self.folder / f"{clip.id}.mp4"

    def add(self, prompt: str) -> Clip:
        clip_id, token = uuid.uuid4().hex, secrets.token_urlsafe()
        with self._open() as db:
            db.execute(
                "INSERT INTO clips (id, token, prompt) VALUES (?, ?, ?)", (clip_id, token, prompt)
            )
        return self.where("id = ?", clip_id)[0]

    def get(self, clip_id: str) -> Clip | None:
        return next(iter(self.where("id = ?", clip_id)), None)

    def find(self, request_id: str, token: str = "") -> Clip | None:
        """Return the clip of a job at fal; by the token, where its submit hasn't returned yet."""
        found = self.where("request_id = ?", request_id) or self.where("token = ?", token)
        return next(iter(found), None)

    def where(self, condition: str, *values: float | str) -> list[Clip]:
        with self._open() as db:
            rows = db.execute(f"SELECT * FROM clips WHERE {condition} ORDER BY rowid", values)
            return [Clip(*row) for row in rows]

    def update(self, clip: Clip, **values: float | str | None) -> None:
        names = ", ".join(f"{name} = ?" for name in values)
        with self._open() as db:
            db.execute(f"UPDATE clips SET {names} WHERE id = ?", (*values.values(), clip.id))

    def finish(self, clip: Clip, *, url: str | None = None, error: str | None = None) -> None:
        """Note how a job ended; whoever comes second changes nothing."""
        once = "UPDATE clips SET url = ?, error = ? WHERE id = ? AND url IS NULL AND error IS NULL"
        with self._open() as db:
            db.execute(once, (url, error, clip.id))

    @contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        db = sqlite3.connect(self.folder / "clips.db")
        try:
            with db:
                yield db
        finally:
            db.close()
