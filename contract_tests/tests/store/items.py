"""Jobs, files, uploads and deliveries to put into a store."""

from __future__ import annotations

from dataclasses import replace

from falkit_fixtures.wanted import Wanted
from falkit_mock.core.events import Delivery
from falkit_mock.core.jobs import Job, JobFaults, KeptFault, Outcome, RequestOptions
from falkit_mock.store import FileRecord, Given, KeyRecord, Store, Upload
from falkit_mock.store.blobs import Piece

DONE = Outcome(200, b'{"video": {}}', {"x-fal-billable-units": "2"})
FAILED = Outcome(504, b"{}", {}, "Request timed out", "request_timeout")
# Each option of the oldest states other than it is when nobody gives it.
OPTIONS = RequestOptions(
    key="key",
    priority="low",
    start_within=60.0,
    max_queue_length=5,
    retry=False,
    webhook="http://127.0.0.1:9000/hook?a=ü",
    keep_payloads=False,
    media_for=3600.0,
    media_acl='{"default": "hide"}',
    faults=("generation_timeout", "stuck_in_queue;seconds=3"),
)
FAULTS = JobFaults(
    named=("slow_logs",),
    outcome="generation_timeout",
    rule="r1",
    queue=KeptFault("stuck_in_queue", {"seconds": float("inf")}),
    logs=KeptFault("late_logs", {"seconds": 2.5}),
    webhook={"duplicate": KeptFault("duplicate", {"copies": 2.0, "seconds": 0.5})},
    output="r2",
)


def job(
    store: Store, *, at: float = 100.0, starts: float = 110.0, run: float = 5.0, **changed: object
) -> Job:
    """Return a job that waits, ten seconds if nothing else is said, and then runs for five."""
    seq = store.next_seq()
    times = (at, starts, starts + run, run, starts)
    made = Job(f"job-{seq}", seq, "a/b/c", "a/b", "queue", "clock", *times)
    for name, value in changed.items():
        setattr(made, name, value)
    return made


def added(store: Store, input: bytes = b"{}", **changed: object) -> Job:
    """Put a job into a store; see `job`."""
    made = job(store, **changed)  # type: ignore[arg-type]  # names of its fields
    store.add(made, input)
    return made


def file(path: str, owner: str) -> FileRecord:
    wanted = Wanted("mp4", "a/b/c", owner, "digest", 1, 1280, 720, 23.976, 125, True, 5.0, 8000, 2)
    pictured = replace(wanted, picture=b"\n\0picture")
    return FileRecord(path, owner, pictured, lifetime=60.0, acl="{}")


def upload(name: str, *, expires: float = 1000.0) -> Upload:
    return Upload(name, f"/files/{name}", "image/png", 100.0, expires, None, "", done=False)


def piece(name: str) -> Piece:
    return Piece(name, 3, f"etag-{name}")


def delivery(name: str, request_id: str = "job-1", **changed: object) -> Delivery:
    plain = Delivery(
        id=name,
        request_id=request_id,
        url="http://127.0.0.1:9000/hook",
        cause="job",
        number=1,
        sent=115.0,
        seconds=0.25,
        headers={"content-type": "application/json"},
        body=b"{}",
        status_code=500,
        response_headers={"x": "y"},
        response_body=b"no",
        error=None,
        status="retry",
        next=130.0,
        faults=("slow", "tampered"),
    )
    return replace(plain, **changed)  # type: ignore[arg-type]  # names of its fields


def fill(store: Store) -> None:
    """Put something of each kind into an empty store."""
    done = added(store, b'{"prompt": "a"}', options=OPTIONS, faults=FAULTS, attempts=3)
    store.decide(done.id, DONE)
    added(store, cancelled=True, outcome=FAILED)
    added(store, entry="run", progression="held", ends=float("inf"))
    store.erase(added(store, outcome=DONE).id)
    store.add_file(file("/v3b/one.mp4", done.id))
    store.add_file(FileRecord("/v3b/two.png", done.id, Given("/tmp/two.png", "image/png")))
    store.uploads.add(upload("one", expires=float("inf")))
    store.uploads.put_piece("one", 2, piece("b"))
    store.uploads.put_piece("one", 1, piece("a"))
    store.deliveries.add(delivery("d1"))
    store.deliveries.add(delivery("d2", status_code=None, error="refused", next=None))
    store.deliveries.put_key(KeyRecord(1, 100.0, withdrawn=True))
    store.deliveries.put_key(KeyRecord(2, 101.0, withdrawn=False))


def everything(store: Store) -> list[object]:
    """Return all that a store has, so that two can be compared."""
    jobs = store.jobs()
    uploads = [store.uploads.get(id) for id in store.uploads.due(float("inf"))]
    return [
        [(each, store.input(each.id)) for each in jobs],
        store.files(),
        [(each, store.uploads.pieces(each.id)) for each in uploads if each is not None],
        store.deliveries.select(),
        store.deliveries.keys(),
        store.last_seq,
        [each.id for each in store.queues.waiting(None, 105.0)],
    ]
