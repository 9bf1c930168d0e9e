"""What keeps something beside jobs and files: how it is emptied, written down and read back."""

from __future__ import annotations

from typing import Protocol

from falkit_spec import JSON


class Part(Protocol):
    """A part of the mock's state, such as its rules; `platform.parts` has them by name."""

    def reset(self) -> None:
        """Be as at the start; end what is under way."""
        ...

    def dump(self) -> JSON:
        """Return what an export keeps beside the store's tables; None for nothing."""
        ...

    def check(self, value: JSON) -> None:
        """Raise ValueError, with field, value and mend, if load() could not take this."""
        ...

    def load(self, value: JSON) -> None:
        """Take what dump() gave, in place of all there is; the store's tables are new by now."""
        ...
