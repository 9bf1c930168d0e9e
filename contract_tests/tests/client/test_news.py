"""What is new in a row of statuses."""

from __future__ import annotations

from hypothesis import given, strategies as st

from falkit_client.results import InProgress, LogLine, News, Queued


def window(*messages: str) -> InProgress:
    return InProgress("r1", tuple(LogLine(message) for message in messages))


def told(*statuses: InProgress) -> list[str]:
    news = News()
    fresh = [news.of(status) for status in statuses]
    return [line.message for status in fresh if status for line in status.logs]


def test_the_same_status_is_news_once() -> None:
    news = News()
    assert news.of(Queued("r1", 1)) == Queued("r1", 1)
    assert news.of(Queued("r1", 1)) is None
    assert news.of(Queued("r1", 0)) == Queued("r1", 0)


def test_lines_that_repeat_in_the_log_are_kept() -> None:
    assert told(window("a", "a"), window("a", "a", "a"), window("a", "a", "b")) == [
        *["a", "a"],
        *["a"],
        *["b"],
    ]


def test_a_window_in_another_order_brings_only_unknown_lines() -> None:
    assert told(window("a", "b", "c"), window("b", "a", "d")) == ["a", "b", "c", "d"]


def test_an_empty_window_forgets_nothing() -> None:
    assert told(window("a"), window(), window("a", "b")) == ["a", "b"]


@given(st.integers(1, 6), st.lists(st.integers(0, 3), max_size=12))
def test_a_window_over_distinct_lines_delivers_each_once(size: int, steps: list[int]) -> None:
    log = [str(number) for number in range(sum(min(step, size) for step in steps))]
    end, statuses = 0, list[InProgress]()
    for step in steps:
        end += min(step, size)
        statuses.append(window(*log[max(0, end - size) : end]))
    assert told(*statuses) == log
