"""Where a state in Redis is: a URL, of which the query says more."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from falkit_mock.store.tables import BadCopy

_SCHEMES = ("redis", "rediss", "unix")
# What redis-py reads in a query, as far as it is of use here.
_PASSED_ON = {
    *("db", "username", "password", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"),
    *("ssl_cert_reqs", "ssl_check_hostname"),
}
_OWN = ("prefix", "uploads")
_PREFIX = re.compile(r"[A-Za-z0-9._:{}-]{1,64}")


@dataclass(frozen=True, slots=True)
class Address:
    """A Redis, and which of its keys are ours."""

    # As redis-py reads it, without what is ours.
    url: str
    # What the names of all keys begin with.
    prefix: str
    # A folder that all replicas see, in which uploads are kept; None for in Redis.
    uploads: str | None
    # As messages name it: without a password.
    shown: str

    @classmethod
    def read(cls, text: str) -> Address:
        """Read a URL; raise BadCopy, which says what is wrong and what would do."""
        shown = _masked(text)
        try:
            parts = urlsplit(text)
            port, asked = parts.port, parts.query
            query = dict(parse_qsl(asked, keep_blank_values=True, strict_parsing=bool(asked)))
        except ValueError as error:
            raise BadCopy(f"{shown} can't be read ({error}); {_FORM}") from None
        if parts.scheme not in _SCHEMES:
            raise BadCopy(f"{shown} begins with {parts.scheme}://; {_FORM}")
        if parts.scheme != "unix" and (not parts.hostname or port == 0):
            raise BadCopy(f"{shown} names no host; {_FORM}")
        database = parts.path.strip("/")
        if parts.scheme != "unix" and database and not database.isdecimal():
            raise BadCopy(f"{shown}: {database!r} is no number of a database; {_FORM}")
        for name in query:
            if name not in _PASSED_ON and name not in _OWN:
                known = ", ".join((*_OWN, *sorted(_PASSED_ON)))
                raise BadCopy(
                    f"{shown}: {name!r} isn't known in the query; those there are: {known}"
                )
        prefix, uploads = query.pop("prefix", "falkit"), query.pop("uploads", None)
        if _PREFIX.fullmatch(prefix) is None:
            why = "must be 1 to 64 letters, digits or any of . _ : { } -"
            raise BadCopy(f"{shown}: the prefix {prefix!r} {why}")
        if uploads == "":
            raise BadCopy(f"{shown}: uploads must name a folder that all replicas see")
        # Not by urlunsplit, which drops the two slashes of unix:///path.
        where = text.partition("#")[0].partition("?")[0]
        url = f"{where}?{urlencode(query)}" if query else where
        return cls(url, prefix, uploads, shown)


_FORM = "write redis://HOST:PORT/DB, with ?prefix=NAME for a state of its own"


def _masked(text: str) -> str:
    """Return a URL without its password and its query.

    A user without a password is a password whose colon was forgotten.
    """
    head, mark, rest = text.partition("://")
    rest = rest.partition("?")[0]
    who, at, where = rest.rpartition("@")
    name, colon, _ = who.partition(":")
    return f"{head}{mark}{f'{name}:***' if colon else at and '***'}{at}{where}"
