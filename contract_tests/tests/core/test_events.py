"""Who is told what happens."""

from __future__ import annotations

from typing import ClassVar

from falkit_mock.core.events import (
    Event,
    Events,
    HostContacted,
    RequestAnswered,
    RequestArrived,
    RequestRecord,
)

_CALL = HostContacted("example.org", 443, 1.0, allowed=True)


class _Heard:
    """A listener that keeps all."""

    def __init__(self) -> None:
        self.told: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.told.append(event)


class _Arrivals(_Heard):
    hears: ClassVar[tuple[type, ...]] = (RequestArrived,)


def test_who_comes_in_the_place_of_another_is_told_and_the_other_is_not() -> None:
    events, one, other = Events(), _Heard(), _Heard()
    events.listen(one)
    events.emit(_CALL)
    events.leave(one)
    events.listen(other)
    events.emit(_CALL)
    assert (one.told, other.told) == ([_CALL], [_CALL])


def test_each_is_told_in_order_of_what_it_hears_of() -> None:
    events, heard, order = Events(), [_Arrivals(), _Heard()], list[str]()
    events.listen(*heard, lambda event: order.append("last"))
    events.listen(lambda event: order.append("first"), first=True)
    record = RequestRecord(1.0, "GET", "fal.run", "/", "")
    arrived, answered = RequestArrived(record), RequestAnswered(record)
    events.emit(arrived)
    events.emit(answered, answered)
    assert [one.told for one in heard] == [[arrived], [arrived, answered, answered]]
    assert order == ["first", "last"] * 3
