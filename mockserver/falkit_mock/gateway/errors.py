"""What keeps the gateway from starting.

GatewayError
├── HomeUnusable        falkit's data folder can't be made, read or written
├── AuthorityUnusable   the file of the local authority is not what falkit wrote
└── RootsUnusable       a file of root certificates, named by the environment, can't be read
"""

from __future__ import annotations

from pathlib import Path


class GatewayError(Exception):
    """The message is one line that names the file and the mend."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


class HomeUnusable(GatewayError):
    """`reason` is the system's."""

    def __init__(self, path: Path, error: OSError) -> None:
        self.reason = (error.strerror or str(error)).lower()
        mend = "set FALKIT_HOME to a folder that falkit may write to"
        super().__init__(path, f"can't keep the local authority in {path} ({self.reason}); {mend}")


class AuthorityUnusable(GatewayError):
    """Somebody else wrote to the file, or it was cut off."""

    def __init__(self, path: Path) -> None:
        mend = "`falkit cert renew` makes a new one"
        super().__init__(path, f"{path} doesn't hold a key and its certificate; {mend}")


class RootsUnusable(GatewayError):
    """A file named by the environment, or the system's own."""

    def __init__(self, path: Path, where: str, error: OSError) -> None:
        reason = (error.strerror or str(error)).lower()
        super().__init__(path, f"{where}: can't read {path} ({reason}); unset it or mend the path")
