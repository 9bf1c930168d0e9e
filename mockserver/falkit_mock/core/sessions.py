"""What a browser keeps that has shown the control API's token: a cookie, signed and not stored."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from hashlib import sha256

# Seconds of the machine's clock: a cookie's life, and that of a code that is exchanged for one.
COOKIE_LIFE, CODE_LIFE = 12 * 3600, 60


class Sessions:
    """Cookies and codes that follow from a token, so that all processes that have it know them.

    Neither tells the token, nor is good for anything but the page: cookies are sent to whatever
    else listens on the same machine.
    """

    def __init__(self, token: str, now: Callable[[], float] = time.time) -> None:
        self._key = token.encode()
        self._now = now
        # Two mocks on one machine are told apart, as cookies know no ports.
        self.name = f"falkit-{self._sign('name')[:12]}"
        # The codes that were used here, and when they would have ended.
        self._used: dict[str, int] = {}

    def cookie(self) -> str:
        """Return the value of a new cookie."""
        return self._made("cookie", COOKIE_LIFE)

    def knows(self, header: str) -> bool:
        """Tell whether a Cookie header has one of ours that is still good."""
        for pair in header.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == self.name and self._is_good("cookie", value):
                return True
        return False

    def code(self) -> str:
        """Return a code that is good for a cookie once, and soon; of each process that has it."""
        return self._made("code", CODE_LIFE)

    def redeem(self, code: str) -> bool:
        """Tell whether a code is good, and use it up."""
        now = self._now()
        self._used = {one: ends for one, ends in self._used.items() if ends > now}
        if code in self._used or not self._is_good("code", code):
            return False
        self._used[code] = int(code.partition(".")[0])
        return True

    def _made(self, purpose: str, life: int) -> str:
        ends, nonce = int(self._now()) + life, secrets.token_hex(8)
        return f"{ends}.{nonce}.{self._sign(f'{purpose} {ends} {nonce}')}"

    def _is_good(self, purpose: str, value: str) -> bool:
        ends, _, rest = value.partition(".")
        nonce, _, signature = rest.partition(".")
        expected = self._sign(f"{purpose} {ends} {nonce}")
        ours = hmac.compare_digest(signature.encode("utf-8", "replace"), expected.encode())
        return ours and int(ends) > self._now()

    def _sign(self, text: str) -> str:
        told = f"falkit page {text}".encode("utf-8", "surrogateescape")
        return hmac.new(self._key, told, sha256).hexdigest()
