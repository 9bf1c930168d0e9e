"""The local authority on disk: made once, used by every run, renewed before it ends."""

from __future__ import annotations

import os
import ssl
import tempfile
import time
from pathlib import Path

from falkit_mock.gateway.errors import AuthorityUnusable, HomeUnusable
from falkit_mock.gateway.home import home, keep
from falkit_mock.names import DOMAINS, ROLES, is_fal

# Renewed with this much time left, so that a server started today has a month.
_LEAST_LEFT = 30 * 24 * 3600.0
_BEGIN = b"-----BEGIN CERTIFICATE-----"
# Every name that certificates can know beforehand: a star stands for one label.
_NAMES = sorted(
    {*DOMAINS, *ROLES}
    | {f"*.{domain}" for domain in DOMAINS}
    | {f"*.{name.partition('.')[2]}" for name in ROLES if name.count(".") > 1}
)


class Authority:
    """What signs for fal's names on this machine. `certificate` is the file to trust."""

    def __init__(self, folder: Path, private: bytes, ends: float) -> None:
        self.certificate = folder / "ca.pem"
        self.key = folder / "ca-key.pem"
        # Unix seconds.
        self.ends = ends
        self._private = private

    @classmethod
    def open(cls, folder: Path | None = None) -> Authority:
        """Return the authority of a data folder, made or renewed if need be.

        Raise HomeUnusable or AuthorityUnusable.
        """
        place = folder or home()
        key = place / "ca-key.pem"
        private = _read(key)
        if private is None:
            _make(key, replace=False)
            private = _read(key) or b""
        ends = _ends(key, private)
        if ends - time.time() < _LEAST_LEFT:
            return cls.renew(place)
        return cls._published(place, private, ends)

    @classmethod
    def renew(cls, folder: Path | None = None) -> Authority:
        """Return a new authority in place of the old one; what was signed before is void."""
        place = folder or home()
        key = place / "ca-key.pem"
        _make(key, replace=True)
        private = _read(key) or b""
        return cls._published(place, private, _ends(key, private))

    def public(self) -> bytes:
        """Return the certificate as PEM."""
        return _public(self._private)

    def context(self) -> ssl.SSLContext:
        """Return a server's TLS settings with a certificate for all of fal's names.

        Takes some 40 ms the first time, for what it imports. Names deeper than a
        certificate's star reaches get one of their own when they are asked for.
        """
        context = self._signed(_NAMES)
        deeper: dict[str, ssl.SSLContext] = {}

        def choose(tls: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            if name is None or name in ROLES or name.count(".") < 3 or not is_fal(name):
                return
            if name not in deeper:
                # A few real names exist; a caller that makes up thousands shall not fill memory.
                if len(deeper) >= 100:
                    deeper.clear()
                deeper[name] = self._signed([name])
            tls.context = deeper[name]

        context.sni_callback = choose
        return context

    def _signed(self, names: list[str]) -> ssl.SSLContext:
        from falkit_mock.gateway.certificates import issue

        try:
            pem = issue(self._private, names)
        except ValueError:
            raise AuthorityUnusable(self.key) from None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        # OpenSSL takes files only. This one is its owner's alone and gone at once.
        descriptor, path = tempfile.mkstemp(suffix=".pem")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(pem)
            context.load_cert_chain(path)
        finally:
            os.unlink(path)
        return context

    @classmethod
    def _published(cls, place: Path, private: bytes, ends: float) -> Authority:
        found = cls(place, private, ends)
        if _read(found.certificate) != (public := found.public()):
            keep(found.certificate, public, 0o644)
        return found


def _make(key: Path, *, replace: bool) -> None:
    from falkit_mock.gateway.certificates import make_authority

    keep(key, make_authority(), 0o600, replace=replace)


def _read(path: Path) -> bytes | None:
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077 and path.name == "ca-key.pem":
            path.chmod(0o600)
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HomeUnusable(path.parent, error) from None


def _public(private: bytes) -> bytes:
    return private[private.find(_BEGIN) :] if _BEGIN in private else b""


def _ends(key: Path, private: bytes) -> float:
    """Return when a certificate ends, by what TLS reads itself: no other import needed."""
    reader = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        reader.load_verify_locations(cadata=_public(private).decode("ascii"))
        ends = reader.get_ca_certs()[0]["notAfter"]
    except (ssl.SSLError, ValueError, IndexError, KeyError):
        raise AuthorityUnusable(key) from None
    return float(ssl.cert_time_to_seconds(str(ends)))
