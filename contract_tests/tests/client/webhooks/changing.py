"""Random changes to a delivery, which know themselves whether it is still good."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from client.webhooks.signing import NAMES, NOON, Sent, Signer, header

_ORDER = 2**252 + 27742317777372353535851937790883648493
_LEEWAY = 300
_SIGNATURE = header("Signature").lower()
GOOD = Signer(1).sign()
NEWER = Signer(1).sign(at=NOON + 1)


@dataclass(frozen=True)
class Arrival:
    """A delivery, the moment it comes, and the seeds of the keys that are published then.

    `made` is all that was signed on the way, each with the seed of its key.
    """

    headers: tuple[tuple[str, str], ...] = tuple(GOOD.headers.items())
    body: bytes = GOOD.body
    now: int = NOON
    signers: tuple[int, ...] = (1,)
    made: tuple[tuple[int, Sent], ...] = ((1, GOOD), (1, NEWER))

    def value(self, name: str) -> str:
        """Return a header's value by its name, in whatever case; empty if it isn't there."""
        return dict(self.plain()).get(header(name).lower(), "")

    def with_value(self, name: str, value: str) -> Arrival:
        """Return it with another value in a header."""
        others = [pair for pair in self.headers if _plain(pair[0]) != header(name).lower()]
        return replace(self, headers=(*others, (header(name), value)))

    def plain(self) -> list[tuple[str, str]]:
        """Return the headers with their names in one form."""
        return [(_plain(name), value) for name, value in self.headers]

    def is_good(self) -> bool:
        """Judge by what was signed: it is one of those deliveries, in time, its key published."""
        return any(
            seed in self.signers and self._is(sent) and abs(self.now - self._at(sent)) <= _LEEWAY
            for seed, sent in self.made
        )

    def _is(self, sent: Sent) -> bool:
        signed = {name.lower(): value for name, value in sent.headers.items()}
        found = dict(self.plain())
        for values in (signed, found):
            # Hex may be written in either case.
            values[_SIGNATURE] = values.get(_SIGNATURE, "").lower()
        return found == signed and self.body == sent.body

    def _at(self, sent: Sent) -> int:
        return int(sent.headers[header("Timestamp")])


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").removeprefix("http-")


Change = Callable[[Arrival], Arrival]
names = st.sampled_from(NAMES)
line = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)


def _flipped(place: int, bit: int) -> Change:
    def change(one: Arrival) -> Arrival:
        body = bytearray(one.body)
        if body:
            body[place % len(body)] ^= 1 << bit
        return replace(one, body=bytes(body))

    return change


def _cut(start: int, end: int, put: bytes) -> Change:
    return lambda one: replace(one, body=one.body[:start] + put + one.body[end:])


def _written_anew(indent: int | None) -> Change:
    def change(one: Arrival) -> Arrival:
        try:
            return replace(one, body=json.dumps(json.loads(one.body), indent=indent).encode())
        except ValueError:
            return one

    return change


def _letter(name: str, place: int, letter: str) -> Change:
    def change(one: Arrival) -> Arrival:
        value = one.value(name)
        at = place % (len(value) + 1)
        return one.with_value(name, value[:at] + letter + value[at + 1 :])

    return change


def _cased(name: str, how: Callable[[str], str]) -> Change:
    """Change the case of a header's value."""
    return lambda one: one.with_value(name, how(one.value(name)))


def _named(how: Callable[[str], str]) -> Change:
    """Change the form of the headers' names."""
    return lambda one: replace(one, headers=tuple((how(k), v) for k, v in one.headers))


def _environ(name: str) -> str:
    return f"HTTP_{_plain(name).upper().replace('-', '_')}"


def _replaced(name: str, value: str) -> Change:
    return lambda one: one.with_value(name, value)


def _late(seconds: int) -> Change:
    return lambda one: replace(one, now=NOON + seconds)


def _published(seeds: list[int]) -> Change:
    return lambda one: replace(one, signers=tuple(seeds))


def _without(name: str) -> Change:
    kept = header(name).lower()
    return lambda one: replace(
        one, headers=tuple(pair for pair in one.headers if _plain(pair[0]) != kept)
    )


def _swapped(first: str, second: str) -> Change:
    def change(one: Arrival) -> Arrival:
        mine, other = one.value(first), one.value(second)
        return one.with_value(first, other).with_value(second, mine)

    return change


def with_other_number(one: Arrival) -> Arrival:
    """Add the group's order to the signature's second half: the same number, in another form."""
    try:
        made = bytes.fromhex(one.value("Signature"))
        number = int.from_bytes(made[32:], "little") + _ORDER
        return one.with_value("Signature", (made[:32] + number.to_bytes(32, "little")).hex())
    except (ValueError, OverflowError):
        return one


def _signed_by(seed: int) -> Change:
    """Put another's signature over the same headers, body and all."""

    def change(one: Arrival) -> Arrival:
        sent = Signer(seed).sign(one.body)
        known = replace(one, made=(*one.made, (seed, sent)))
        return known.with_value("Signature", sent.headers[header("Signature")])

    return change


def spoilt_and_signed() -> Arrival:
    """Return a body that is no JSON, under the good signature of a published key."""
    return _published([2])(_signed_by(2)(_cut(0, 1, b"")(Arrival())))


anything: st.SearchStrategy[Change] = st.one_of(
    st.builds(_flipped, st.integers(0, 500), st.integers(0, 7)),
    st.builds(_cut, st.integers(0, 400), st.integers(0, 400), st.binary(max_size=3)),
    st.builds(_written_anew, st.sampled_from([None, 2])),
    st.builds(_replaced, names, line),
    st.builds(_letter, names, st.integers(0, 200), line.filter(bool).map(lambda text: text[0])),
    st.builds(_without, names),
    st.builds(_swapped, names, names),
    st.just(with_other_number),
    st.builds(_signed_by, st.integers(2, 9)),
    st.builds(_replaced, st.just("Timestamp"), st.just(NEWER.headers[header("Timestamp")])),
    st.builds(_replaced, st.just("Signature"), st.just(NEWER.headers[header("Signature")])),
)
# Of these, a delivery stays good, unless the time or the keys make it otherwise.
harmless: st.SearchStrategy[Change] = st.one_of(
    st.builds(_cased, st.just("Signature"), st.sampled_from([str.upper, str.lower, str.title])),
    st.builds(_named, st.sampled_from([str.upper, str.lower, str.title, _environ])),
    st.builds(_late, st.sampled_from([-301, -300, -299, 0, 299, 300, 301])),
    st.builds(_late, st.integers(-1000, 1000)),
    st.builds(_published, st.lists(st.integers(1, 4), min_size=1, max_size=3)),
)


@st.composite
def arrivals(draw: st.DrawFn) -> Arrival:
    """Deliveries after some changes, about half of them still good."""
    one = Arrival()
    changes = draw(
        st.lists(harmless, max_size=3) | st.lists(st.one_of(anything, harmless), max_size=4)
    )
    for change in changes:
        one = change(one)
    return one
