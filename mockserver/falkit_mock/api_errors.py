"""The Platform API's refusals, in the one envelope that it has (wire.md §10).

ApiError
├── Invalid         400  validation_error
├── NotAuthorized   401  authorization_error
├── Missing         404  not_found
└── NotImitated     501  not_implemented: an operation that fal has and this mock has not
"""

from __future__ import annotations

from typing import ClassVar

from falkit_mock.errors import WireError


class ApiError(WireError):
    """`{"error": {"type", "message"}}`."""

    type: ClassVar[str]

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__({"error": {"type": self.type, "message": message}}, hint=hint)


class Invalid(ApiError):
    """A parameter or a body that can't be used; the message names it, its value and the mend."""

    status_code = 400
    type = "validation_error"


class NotAuthorized(ApiError):
    status_code = 401
    type = "authorization_error"


class Missing(ApiError):
    status_code = 404
    type = "not_found"


class NotImitated(ApiError):
    status_code = 501
    type = "not_implemented"

    def __init__(self, operation: str) -> None:
        super().__init__(f"falkit does not imitate {operation} yet")
