"""A tunnel's ends before there are two of them, and after there were."""

from __future__ import annotations

import asyncio

import pytest

from falkit_mock.gateway.proxy_protocol import Pipe


class Carrier(asyncio.Transport):
    """Remembers what a protocol has it do."""

    def __init__(self, *, half_closes: bool = True) -> None:
        super().__init__()
        self.done: list[object] = []
        self._half_closes = half_closes

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.done.append(bytes(data))

    def write_eof(self) -> None:
        self.done.append("eof")

    def can_write_eof(self) -> bool:
        return self._half_closes

    def close(self) -> None:
        self.done.append("close")

    def pause_reading(self) -> None:
        self.done.append("pause")

    def resume_reading(self) -> None:
        self.done.append("resume")


def pair(far: Carrier) -> tuple[Pipe, Carrier, Pipe]:
    """Return two connected ends that aren't joined, and the near one's carrier."""
    near_pipe, far_pipe, near = Pipe(lambda _: None), Pipe(lambda _: None), Carrier()
    for pipe, carrier in ((near_pipe, near), (far_pipe, far)):
        pipe.connection_made(carrier)
        assert carrier.done == ["pause"]
        carrier.done.clear()
    return near_pipe, near, far_pipe


def test_bytes_of_a_caller_who_left_before_the_tunnel_opened_still_arrive() -> None:
    near, carrier, far = pair(Carrier())
    far.data_received(b"220 ")
    far.data_received(b"hello")
    far.connection_lost(None)
    near.join(far)
    assert carrier.done == ["resume", b"220 hello", "close"]


def test_a_half_close_before_the_tunnel_stood_is_passed_on() -> None:
    far_carrier = Carrier()
    near, carrier, far = pair(far_carrier)
    assert near.eof_received()
    near.join(far)
    assert far_carrier.done == ["eof", "resume"]
    assert carrier.done == []
    assert not far.eof_received(), "both have said all"
    assert carrier.done == ["close"]


def test_an_end_that_cannot_half_close_is_closed() -> None:
    far_carrier = Carrier(half_closes=False)
    near, _, far = pair(far_carrier)
    near.join(far)
    assert not near.eof_received()
    assert far_carrier.done == ["resume", "close"]


@pytest.mark.parametrize("lost", [False, True])
def test_a_full_end_stops_the_other_from_reading(lost: bool) -> None:
    far_carrier = Carrier()
    near, _, far = pair(far_carrier)
    near.join(far)
    if lost:
        far.connection_lost(None)
    near.pause_writing()
    near.resume_writing()
    assert far_carrier.done == (["resume"] if lost else ["resume", "pause", "resume"])
