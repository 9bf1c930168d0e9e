"""The local certificate authority, its certificates, and the folder that keeps them."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import ssl
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from falkit_mock.core.network import CERTIFIED, DOMAINS, ROLES, is_fal
from falkit_mock.gateway import AUTHORITY, authority_unusable, data_dir_unusable

_CERTIFICATE, _KEY = "ca.pem", "ca-key.pem"
# What a file is written as first.
_DRAFT = re.compile(r"\.(ca|ca-key|roots-[0-9a-f]{16})\.pem\.[0-9a-f]{12}")


def data_dir() -> Path:
    """Return the data folder, which need not exist: FALKIT_HOME, or the system's usual place."""
    if chosen := os.environ.get("FALKIT_HOME"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        base = Path(local) if local else Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        data = os.environ.get("XDG_DATA_HOME", "")
        # The XDG specification has relative paths ignored.
        base = Path(data) if os.path.isabs(data) else Path.home() / ".local" / "share"
    return base / "falkit"


def kept_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the files of a data folder that falkit made, and the others.

    Its key and certificate are known by the name in them, bundles of roots by their own names,
    which are digests. Raise GatewayError.
    """
    ours: list[Path] = []
    others: list[Path] = []
    try:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            (ours if _is_ours(path) else others).append(path)
    except OSError as error:
        raise data_dir_unusable(folder, error) from None
    return ours, others


def bundle_name(content: bytes) -> str:
    """Return the name of a bundle of roots, by what is in it."""
    return f"roots-{hashlib.sha256(content).hexdigest()[:16]}.pem"


def _is_ours(path: Path) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    if path.name in (_CERTIFICATE, _KEY):
        try:
            return AUTHORITY in str(_certificate(path.read_bytes()).get("subject"))
        except ValueError:
            return False
    # A draft that was cut short, or a bundle.
    return bool(_DRAFT.fullmatch(path.name)) or path.name == bundle_name(path.read_bytes())


def keep(path: Path, content: bytes, mode: int, *, replace: bool = True) -> None:
    """Write a file under its final rights, so that at no moment others can read it or half of it.

    With `replace=False` a file that is already there stays, whoever put it there meanwhile.
    Raise GatewayError.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            if replace:
                draft.replace(path)
            else:
                with suppress(FileExistsError):
                    path.hardlink_to(draft)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise data_dir_unusable(path.parent, error) from None


# Renewed with this much time left, so that a server started today has a month.
_LEAST_LEFT = 30 * 24 * 3600.0
_BEGIN = b"-----BEGIN CERTIFICATE-----"
# Every name that a certificate can list beforehand; a star matches one label.
_NAMES = sorted(
    {*CERTIFIED, *ROLES}
    | {f"*.{domain}" for domain in DOMAINS}
    | {f"*.{name.partition('.')[2]}" for name in ROLES if name.count(".") > 1}
)


class Authority:
    """What signs for fal's names on this machine. `certificate` is the file to trust."""

    def __init__(self, folder: Path) -> None:
        """Read what a folder keeps; raise GatewayError."""
        self.certificate = folder / _CERTIFICATE
        self.key = folder / _KEY
        self._private = _read(self.key) or b""
        # Unix seconds.
        self.ends = _ends(self.key, self._private)
        if _read(self.certificate) != self.public():
            keep(self.certificate, self.public(), 0o644)

    @classmethod
    def open(cls, folder: Path | None = None) -> Authority:
        """Return the authority of a data folder, made or renewed if need be.

        Raise GatewayError.
        """
        place = folder or data_dir()
        if _read(place / _KEY) is None:
            _make(place / _KEY, replace=False)
        found = cls(place)
        over = found.ends - time.time() < _LEAST_LEFT
        return cls.renew(place) if over or not found._may_sign_for_all() else found

    @classmethod
    def renew(cls, folder: Path | None = None) -> Authority:
        """Return a new authority in place of the old one; what was signed before is void."""
        place = folder or data_dir()
        _make(place / _KEY, replace=True)
        return cls(place)

    def _may_sign_for_all(self) -> bool:
        """Tell whether it was made for all of today's names, by what stands in its certificate."""
        der = ssl.PEM_cert_to_DER_cert(self.public().decode("ascii"))
        return all(name.encode() in der for name in CERTIFIED)

    def public(self) -> bytes:
        """Return the certificate as PEM."""
        return _public(self._private)

    def context(self) -> ssl.SSLContext:
        """Return a server's TLS settings with a certificate for all names.

        Takes some 40 ms the first time, for what it imports. Names deeper than a
        certificate's star reaches get one of their own when they are asked for.
        """
        context = self._signed(_NAMES)
        deeper: dict[str, ssl.SSLContext] = {}

        def choose(tls: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            if name is None or name in ROLES or name.count(".") < 3 or not is_fal(name):
                return
            if name not in deeper:
                # A few real names exist; a caller that makes up thousands must not fill memory.
                if len(deeper) >= 100:
                    deeper.clear()
                deeper[name] = self._signed([name])
            tls.context = deeper[name]

        context.sni_callback = choose
        return context

    def _signed(self, names: list[str]) -> ssl.SSLContext:
        # Lazy: it imports cryptography, which a program that only reads names does without.
        from falkit_mock.gateway.certificates import issue

        try:
            pem = issue(self._private, names)
        except ValueError:
            raise authority_unusable(self.key) from None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # The second is for those who take nothing else; the gateway tells them that it won't do.
        context.set_alpn_protocols(["http/1.1", "h2"])
        # OpenSSL takes files only. This one is its owner's alone and gone at once.
        descriptor, path = tempfile.mkstemp(suffix=".pem")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(pem)
            context.load_cert_chain(path)
        finally:
            os.unlink(path)
        return context


def _make(key: Path, *, replace: bool) -> None:
    from falkit_mock.gateway.certificates import make_authority

    keep(key, make_authority(), 0o600, replace=replace)


def _read(path: Path) -> bytes | None:
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077 and path.name == _KEY:
            path.chmod(0o600)
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise data_dir_unusable(path.parent, error) from None


def _public(private: bytes) -> bytes:
    return private[private.find(_BEGIN) :] if _BEGIN in private else b""


def _ends(key: Path, private: bytes) -> float:
    try:
        return float(ssl.cert_time_to_seconds(str(_certificate(private)["notAfter"])))
    except (ValueError, KeyError):
        raise authority_unusable(key) from None


def _certificate(pem: bytes) -> dict[str, object]:
    """Return what a certificate says, by what TLS reads itself: no other import needed.

    Raise ValueError if there is none.
    """
    reader = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        reader.load_verify_locations(cadata=_public(pem).decode("ascii"))
        return {**reader.get_ca_certs()[0]}
    except (ssl.SSLError, IndexError) as error:
        raise ValueError(str(error)) from None
