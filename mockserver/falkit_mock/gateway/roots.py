"""The roots that a program is to trust: those it trusts already, and the local authority."""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from falkit_mock.gateway.authority import Authority
from falkit_mock.gateway.errors import RootsUnusable
from falkit_mock.gateway.home import keep

# Each names one file that replaces a program's own roots.
REPLACING = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
# This one adds to them.
ADDING = "NODE_EXTRA_CA_CERTS"


def bundle(authority: Authority, environ: Mapping[str, str]) -> Path:
    """Return a file with the normal roots, the environment's own if it names some, and ours.

    Raise RootsUnusable or HomeUnusable.
    """
    named = {os.path.realpath(environ[name]): name for name in REPLACING if environ.get(name)}
    parts = [_read(Path(path), name) for path, name in named.items() if Path(path).is_file()]
    missing = [(path, name) for path, name in named.items() if not Path(path).exists()]
    for path, name in missing:
        raise RootsUnusable(Path(path), name, FileNotFoundError(2, "no such file"))
    return _kept(authority, parts or [_normal()])


def extra(authority: Authority, environ: Mapping[str, str]) -> Path:
    """Return a file with our authority and whatever Node was told to trust besides.

    A file that can't be read adds nothing, as for Node itself.
    """
    named = environ.get(ADDING)
    try:
        own = Path(named).read_bytes() if named else b""
    except OSError:
        own = b""
    return _kept(authority, [own]) if own else authority.certificate


def _kept(authority: Authority, parts: list[bytes]) -> Path:
    ours = authority.public()
    # A part of falkit's own making, from a shell that has these variables already, is whole.
    strangers = [part.replace(ours, b"").strip() for part in parts]
    content = b"\n".join([*strangers, ours])
    # Named by what is in it: programs that run already keep theirs when the roots change.
    name = hashlib.sha256(content).hexdigest()[:16]
    path = authority.certificate.with_name(f"roots-{name}.pem")
    if not path.exists():
        keep(path, content, 0o644)
    return path


def _normal() -> bytes:
    # None where OpenSSL was built with a place that this system doesn't have.
    system: str | None = ssl.get_default_verify_paths().cafile
    if system:
        return _read(Path(system), "the system's roots")
    import certifi

    return _read(Path(certifi.where()), "certifi's roots")


def _read(path: Path, where: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RootsUnusable(path, where, error) from None
