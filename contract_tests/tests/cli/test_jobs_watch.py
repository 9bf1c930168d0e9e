"""What `falkit jobs --watch` shows, on a terminal and elsewhere."""

from __future__ import annotations

import io
import json
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import click
import pytest
from rich.cells import cell_len
from rich.console import Console

from falkit_mock.cli import main, watching
from falkit_mock.cli.job_table import Watch
from falkit_mock.cli.running import RunningMock
from falkit_mock.cli.watching import Heard, follow
from falkit_spec.cli.progress import console_on
from processes import FALKIT
from serving import PROMPT, T2V, Mock, Serve
from terminal import HOME, in_terminal

FAST = "fal-ai/ltx-2/image-to-video/fast"
IMAGE = {"prompt": "A harbour", "image_url": "https://example.com/photo.png"}


class Times:
    """A clock that goes on by what is waited for."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Scripted(queue.SimpleQueue[Heard]):
    """Hands out what is heard, each at its moment, and Ctrl-C at the end."""

    def __init__(self, times: Times, *heard: tuple[float, Heard]) -> None:
        self.times = times
        self.coming = [(100 + moment, one) for moment, one in heard]

    def get(self, block: bool = True, timeout: float | None = None) -> Heard:
        if not self.coming:
            raise KeyboardInterrupt
        assert timeout is not None
        moment, one = self.coming[0]
        if moment > self.times.now + timeout:
            self.times.now += timeout
            raise queue.Empty
        self.times.now = max(self.times.now, moment)
        del self.coming[0]
        return one


def watched(
    mock: Mock, width: int = 80, given: Mapping[str, str] | None = None, **console: Any
) -> tuple[Watch, Callable[[], list[str]]]:
    """Watch a mock without a terminal; return what draws it, line by line."""
    out = io.StringIO()
    drawn_on = Console(file=out, width=width, height=10, **console)
    watch = Watch(RunningMock(mock.url), given or {}, None, drawn_on, Times())

    def drawn() -> list[str]:
        out.seek(0)
        out.truncate()
        drawn_on.print(watch.drawn(last=True))
        return [line.rstrip() for line in out.getvalue().splitlines()]

    return watch, drawn


def started_jobs(mock: Mock) -> None:
    """Have a job of each state, each a second older than the next."""
    mock.submit({**PROMPT, "duration": 7})
    cancelled = mock.submit()
    mock.cancel(cancelled)
    held = mock.submit()
    mock.http.post(f"/__falkit/jobs/{held['request_id']}/hold")
    mock.advance(40)
    mock.submit(IMAGE, FAST)
    mock.advance(15)
    mock.submit({"prompt": "雨の港\n\x1b[31m" * 9}, headers={"authorization": "Key alice:x"})


def test_each_state_has_its_shape_word_and_figures(manual: Mock) -> None:
    started_jobs(manual)
    watch, drawn = watched(manual, 80)
    watch.read()
    lines = drawn()
    assert lines[0] == "5 jobs  clock paused at 08:00:55"
    assert lines[1].split() == ["status", "endpoint", "prompt", "key", "age", "cost"]
    assert [line[:15].rstrip() for line in lines[2:]] == [
        *("○ Queued", "◐ Running 25%", "⏸ Held", "⊘ Cancelled", "✗ Failed 422"),
    ]
    assert [line[15:38].rstrip() for line in lines[2:4]] == [
        *("…/ltx-2/text-to-video", "…/image-to-video/fast"),
    ]
    assert [line.split()[-2:] for line in lines[2:4]] == [["alice", "0s"], ["id", "15s"]]
    # A failed job has its prompt, and why beside it.
    assert f" {PROMPT['prompt'][:6]}" in lines[-1]
    assert "  duration: " in lines[-1]


@pytest.mark.parametrize("width", [24, 60, 80, 100, 200])
def test_a_table_fits_the_width_of_its_terminal(manual: Mock, width: int) -> None:
    started_jobs(manual)
    watch, drawn = watched(manual, width)
    watch.read()
    lines = drawn()
    assert len(lines) == 7
    assert max(map(cell_len, lines)) <= width
    assert ("s, paused" in lines[2]) == (width >= 120)
    # The first has neither room for all, nor half a column.
    first_width = {"cost": 60, "prompt": 76, "key": 76, "progress": 120, "id": 160}
    for name, least in first_width.items() if width >= 60 else ():
        assert (name in lines[1].split()) == (width >= least)


def test_it_is_ascii_where_a_terminal_knows_no_more(manual: Mock) -> None:
    manual.submit()
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console = console_on(out)
    watch = Watch(RunningMock(manual.url), {}, None, console)
    watch.read()
    console.print(watch.drawn())
    out.flush()
    assert b"o Queued" in out.buffer.getvalue()


def test_a_table_has_as_many_jobs_as_fit_and_filters(manual: Mock) -> None:
    for _ in range(9):
        manual.submit()
    manual.submit(IMAGE, FAST)
    watch, drawn = watched(manual)
    watch.read()
    assert (len(watch.jobs), drawn()[0].split("  ")[0]) == (7, "7 of 10 jobs")
    watch, drawn = watched(manual, given={"endpoint": "*/fast"})
    watch.read()
    assert (len(watch.jobs), drawn()[0].split("  ")[:2]) == (1, ["1 job", "endpoint=*/fast"])
    watch, drawn = watched(manual, given={"key": "nobody"})
    watch.read()
    assert drawn()[1] == "no such jobs"


def test_many_events_are_one_reading_and_none_are_none(manual: Mock) -> None:
    watch, _ = watched(manual)
    times = cast("Times", watch.clock)
    watch.read()
    manual.http.delete("/__falkit/requests")
    burst = [(5.0 + place / 100, Heard("job_changed")) for place in range(20)]
    drawings: list[float] = []
    heard = Scripted(times, (0.0, Heard("connected")), *burst, (9.0, Heard("job_changed")))
    reads = counted(watch)
    with pytest.raises(KeyboardInterrupt):
        watch.follow(heard, lambda: drawings.append(times.now - 100))
    # Once when connected, at the first and after the last of the burst, and at the last event.
    assert reads == pytest.approx([0.25, 5.0, 5.25, 9.0])
    # Ages go on meanwhile, and not more often.
    assert [moment for moment in drawings if 0.3 < moment < 5] == pytest.approx(
        [1.25, 2.25, 3.25, 4.25]
    )


def counted(watch: Watch) -> list[float]:
    """Return the moments at which the list is read from now on."""
    moments: list[float] = []
    read = watch.read

    def counting() -> None:
        moments.append(watch.clock() - 100)
        read()

    watch.read = counting  # type: ignore[method-assign]
    return moments


def test_a_lost_mock_is_said_and_its_jobs_stay(serve: Serve) -> None:
    mock = serve("1,1")
    mock.submit()
    watch, drawn = watched(mock)
    watch.read()
    frames: list[list[str]] = []
    heard = Scripted(
        cast("Times", watch.clock),
        (0.1, Heard("lost", {"why": "no mock answers"})),
        (3.0, Heard("connected")),
        (6.0, Heard("connected")),
    )
    with pytest.raises(KeyboardInterrupt):
        watch.follow(heard, lambda: frames.append(drawn()))
    lost = next(frame for frame in frames if "waiting" in frame[0])
    assert lost[0] == "✗ no mock answers; waiting for it"
    assert lost[2].split()[1] in ("Queued", "Running", "Done")
    assert frames[-1][0] == "1 job"


class Stub:
    """A mock whose stream ends and fails as it is told to."""

    url = "http://mock"

    def __init__(self, *streams: list[str] | str) -> None:
        self.streams = [*streams]
        self.since: list[object] = []

    @contextmanager
    def open(self, method: str, path: str, *, query: object, silence: float) -> Generator[Any]:
        self.since.append(query)
        stream = self.streams.pop(0)
        if isinstance(stream, str):
            raise click.UsageError(stream)

        class Reply:
            def iter_lines(self) -> Iterator[str]:
                return iter(stream)

        yield Reply()


def test_a_stream_goes_on_where_it_broke_off() -> None:
    event = ["id: 7", "event: job_changed", 'data: {"n": 1}', ""]
    other = ["id: 8", "event: request_answered", 'data: {"n": 2}', ""]
    gone = "base-url: no mock answers at http://mock (refused); start one with falkit serve"
    stub = Stub([": falkit", "", *event, *other], gone, gone, ["id: 9", *event[1:]])
    slept: list[float] = []
    heard = follow(cast("RunningMock", stub), slept.append)
    told = [next(heard) for _ in range(7)]
    assert [one.kind for one in told] == [
        *("connected", "job_changed", "lost", "lost", "lost", "connected", "job_changed"),
    ]
    assert told[2].data["why"] == "the mock at http://mock has ended"
    assert told[3].data["why"] == "no mock answers at http://mock (refused)"
    assert slept == [0.25, 0.5, 1.0]
    assert stub.since == [None, *[{"since": "7"}] * 3]


def test_a_pipe_gets_a_line_for_each_change(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job: dict[str, Any] = {"request_id": "r", "endpoint_id": T2V, "key": "id", "time": 3.5}
    error = {"status_code": 422, "field": "duration", "message": "Input\nshould", "error_type": "x"}
    ended = {**job, "change": "ended", "cancelled": False, "error": error}

    def heard(mock: RunningMock) -> Iterator[Heard]:
        yield Heard("connected")
        yield Heard("job_changed", {**job, "change": "accepted"})
        yield from [Heard("lost", {"why": "no mock answers"})] * 2
        yield Heard("connected")
        yield Heard("gap", {"missing": 4})
        yield Heard("job_changed", ended)
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "follow", heard)
    failed = f"00:00:03.500  r  failed     {T2V}  id  422 duration: Input should"
    main(["jobs", "--watch"])
    told = capsys.readouterr()
    assert told.out.splitlines() == [f"00:00:03.500  r  accepted   {T2V}  id", failed]
    assert told.err.splitlines() == [
        "falkit: no mock answers; waiting for it",
        "falkit: http://127.0.0.1:4325 answers again",
        "falkit: 4 events came too fast, or in a break",
    ]
    for words in (["--result", "failed"], ["--status", "completed", "--endpoint", "*ltx*"]):
        main(["jobs", "--watch", *words])
        assert capsys.readouterr().out.splitlines() == [failed]
    main(["jobs", "--watch", "--key", "other"])
    assert capsys.readouterr().out == ""
    main(["jobs", "--watch", "--json", "--result", "failed"])
    assert json.loads(capsys.readouterr().out) == ended


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--text", "x"], "text: 'x' is for the table on a terminal"),
        (["--test", "x"], "test: 'x' is for the table on a terminal"),
        (["ID"], "watch: takes no job; --text ID follows one"),
    ],
)
def test_what_cannot_be_followed_is_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], why: str
) -> None:
    with pytest.raises(SystemExit):
        main(["jobs", "--watch", *words])
    assert why in capsys.readouterr().err


def test_a_terminal_without_rich_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("falkit_mock.cli.jobs.can_move", bool)
    monkeypatch.setattr("falkit_mock.cli.jobs.has_rich", lambda: False)
    with pytest.raises(SystemExit):
        main(["jobs", "--watch"])
    assert "rich, which isn't installed; pip install 'falkit[terminal]'" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such terminals")
@pytest.mark.parametrize("end", ["Ctrl-C", "SIGTERM"])
def test_a_terminal_has_the_table_until_its_end(
    manual: Mock, environ: dict[str, str], tmp_path: Path, end: str
) -> None:
    command = [FALKIT, "jobs", "--watch", "--base-url", manual.url]
    with in_terminal(command, environ, tmp_path, (10, 90)) as shown:
        shown.until("no jobs yet at http://127.0.0.1", "Ctrl-C ends")
        job = manual.submit()
        shown.until("○ Queued", "1 job")
        manual.release(job)
        last = shown.until("✓ Done", "$0.36", ends=9)
        assert last.count("\n") == 9
        if end == "Ctrl-C":
            shown.press("\x03")
            code, left = shown.rest()
            lines = left.strip().split("\n")
            assert (code, len(lines), lines[0].split("  ")[0]) == (0, 3, "1 job")
            assert "✓ Done" in lines[2]
        else:
            shown.process.send_signal(signal.SIGTERM)
            assert shown.rest() == (128 + signal.SIGTERM, "")
        # The cursor was never hidden, and the screen was its own.
        assert "\x1b[?1049h" in shown.sent
        assert "\x1b[?25l" not in shown.sent
        assert HOME in shown.sent


def test_nothing_of_rich_is_imported_before_it_draws() -> None:
    # httpx would, for a command of its own.
    code = """
import sys
from falkit_mock.cli import main
try:
    main(["jobs", "--base-url", "http://127.0.0.1:9"])
except SystemExit:
    import falkit_client.cli, falkit_spec.cli.drift
    import falkit_mock.cli.state, falkit_mock.cli.job_table
    assert "httpx" in sys.modules
    sys.exit(any(name.partition(".")[0] == "rich" for name in sys.modules))
"""
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)
