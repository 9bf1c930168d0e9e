"""The caller's key: found once, shown to nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Key:
    """A fal key of the form `<id>:<secret>`; its text stays out of the repr."""

    text: str = field(repr=False)

    def header(self) -> str:
        """The value of the Authorization header (wire.md §2)."""
        return f"Key {self.text}"


def chosen_key(key: str | None, environ: Mapping[str, str]) -> Key | None:
    """The argument, else FAL_KEY, else FAL_KEY_ID with FAL_KEY_SECRET, else None (wire.md §1.2)."""
    text = key or environ.get("FAL_KEY")
    if text is None and "FAL_KEY_ID" in environ and "FAL_KEY_SECRET" in environ:
        text = f"{environ['FAL_KEY_ID']}:{environ['FAL_KEY_SECRET']}"
    if not text:
        return None
    if not text.isascii() or not text.isprintable() or text != text.strip():
        raise ValueError("the key has spaces, line ends or letters that a header cannot carry")
    return Key(text)
