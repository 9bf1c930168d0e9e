"""What the control API refuses: `{"detail": "what, its value and the mend"}`.

ControlError
├── Unusable       422  a field of the body or the query that can't be used
│   └── BrokenFile 422  a file that is no state
├── Unknown        404  an id that names nothing here
├── Untimely       409  right in itself, but not as things stand
├── TokenNeeded    401  no token, or not this mock's
└── Elsewhere      403  a page or a name that isn't this machine's
"""

from __future__ import annotations

import json
from typing import ClassVar

from falkit_mock.errors import WireError


class ControlError(WireError):
    """A refusal in one sentence."""

    status_code: ClassVar[int]

    def __init__(self, detail: str) -> None:
        super().__init__({"detail": detail})


class Unusable(ControlError):
    """A field that can't be used: its name, its value and what would do."""

    status_code = 422

    def __init__(self, field: str, value: object, mend: str) -> None:
        super().__init__(f"{field}: {_short(value)} {mend}")

    @classmethod
    def lacking(cls, field: str, mend: str) -> Unusable:
        """Return the refusal of a body or a query that lacks a field."""
        error = cls(field, "", mend)
        error.body = {"detail": f"{field}: missing; {mend}"}
        return error


class BrokenFile(Unusable):
    """A state that is none, or another version's: what is wrong with it."""

    def __init__(self, why: str) -> None:
        super().__init__("body", "", "")
        self.body = {"detail": f"body: {why}; nothing has changed"}


class Unknown(ControlError):
    """An id that names nothing here, and where those are listed that do."""

    status_code = 404

    def __init__(self, field: str, value: str, mend: str) -> None:
        super().__init__(f"{field}: {_short(value)} {mend}")


class Untimely(ControlError):
    """What can't be done as things stand."""

    status_code = 409


class TokenNeeded(ControlError):
    """A request without the token of this mock, or with another."""

    status_code = 401

    def __init__(self) -> None:
        super().__init__(
            "the control API of this mock needs its token: send Authorization: Bearer TOKEN; "
            "falkit serve prints it at the start, --control-token chooses it"
        )
        self.headers["www-authenticate"] = 'Bearer realm="falkit"'


class Elsewhere(ControlError):
    """A request that some web page has made, or one by a name that anybody could own."""

    status_code = 403


def _short(value: object) -> str:
    # In JSON's words, where Python's are others.
    shown = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return shown if len(shown) <= 100 else f"{shown[:99]}…"
