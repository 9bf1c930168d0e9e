"""The keys that sign webhooks: which one does, and which are published (wire.md §5.2)."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

from falkit_mock.platform.clock import Clock
from falkit_mock.platform.webhooks.errors import KeyInUse
from falkit_mock.settings import JwksPadding
from falkit_mock.store.deliveries import DeliveryStore, KeyRecord
from falkit_spec import JSON

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# No key has this number, so that nothing signed with it verifies.
UNPUBLISHED = 0
_FIRST = 1


@lru_cache(maxsize=64)
def private_key(number: int) -> Ed25519PrivateKey:
    """Return a key by its number.

    Keys follow from their numbers alone, the same in every falkit: a receiver that keeps keys
    for a day goes on accepting what a mock sends that was started again. They are no secrets,
    and what they sign proves nothing but that it was not changed on its way.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    seed = blake2b(b"falkit webhook key %d" % number, digest_size=32).digest()
    return Ed25519PrivateKey.from_private_bytes(seed)


def public_bytes(number: int) -> bytes:
    """Return the 32 bytes that are published of a key."""
    return private_key(number).public_key().public_bytes_raw()


class KeyRing:
    """The keys of one mock, kept in its store. The newest signs."""

    def __init__(self, store: DeliveryStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        # Asked for at each signature.
        self._current: int | None = None

    def all(self) -> list[KeyRecord]:
        """Return every key that ever signed, the oldest first."""
        found = self._store.keys()
        if not found:
            self._store.put_key(KeyRecord(_FIRST, self._clock.now(), withdrawn=False))
            found = self._store.keys()
        return found

    @property
    def current(self) -> int:
        """The number of the key that signs."""
        if self._current is None:
            self._current = self.all()[-1].number
        return self._current

    def forget(self) -> None:
        """Look at the store again: what is in it may be another mock's."""
        self._current = None

    def rotate(self) -> KeyRecord:
        """Have a new key sign from now on; the others stay published."""
        made = KeyRecord(self.current + 1, self._clock.now(), withdrawn=False)
        self._store.put_key(made)
        self.forget()
        return made

    def withdraw(self, number: int) -> KeyRecord:
        """Publish an old key no longer; raise KeyInUse if it signs, or is none."""
        known = {key.number: key for key in self.all()}
        if number not in known:
            raise KeyInUse(f"key {number}: there is none; keys are {', '.join(map(str, known))}")
        if number == self.current:
            raise KeyInUse(f"key {number}: it signs; rotate first, then withdraw it")
        gone = KeyRecord(number, known[number].created, withdrawn=True)
        self._store.put_key(gone)
        return gone

    def jwks(self, padding: JwksPadding) -> dict[str, JSON]:
        """Return the document at `/.well-known/jwks.json`: `{"keys": [{"kty", "crv", "x", …}]}`.

        RFC 7517 wants `x` without padding, and fal's Python sample can read it with padding only.
        So each key stands there in both forms, since a verifier tries every one (wire.md §5.2).
        """
        keys: list[JSON] = []
        for key in self.all():
            if not key.withdrawn:
                keys += jwks_of(key.number, padding)
        return {"keys": keys}


def jwks_of(number: int, padding: JwksPadding) -> list[JSON]:
    """Return one key in the forms that are asked for."""
    padded = urlsafe_b64encode(public_bytes(number)).decode()
    forms = {"unpadded": padded.rstrip("="), "padded": padded}
    return [
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "use": "sig",
            "alg": "EdDSA",
            "kid": f"falkit-{number}" + ("-padded" if form == "padded" else ""),
            "x": x,
        }
        for form, x in forms.items()
        if padding in (form, "both")
    ]
