"""Results and cancellations (wire.md §3.4, §3.5)."""

from __future__ import annotations

from falkit_contract.conform.checks import Table
from falkit_contract.conform.kinds.queue import is_answered, knows_three, refuses_whole_id
from falkit_contract.conform.probe import NOBODYS, CouldNotLook, NotApplicable, Probe, short
from falkit_contract.conform.target import Exchange

TABLE = Table()
_EARLY = "Request is still in progress"


@TABLE.add("queue.result.done", "§3.4", "A result is the output, with nothing around it", 1)
def _(probe: Probe) -> None:
    reply = probe.result(probe.done())
    probe.code(reply, 200)
    wrong = probe.endpoint.validate_output(reply.json())
    probe.expect(not wrong, "an output as the endpoint's document has it", "; ".join(wrong[:3]))


@TABLE.add("queue.result.early", "§3.4", f"Too early a result is 400 `{_EARLY}`, to the letter", 1)
def _(probe: Probe) -> None:
    request_id = probe.job()
    reply = probe.result(request_id)
    # Where it was done by then, it wasn't too early.
    if reply.status == 200 and probe.endpoint.is_valid_output(reply.json()):
        raise NotApplicable("the job was done at once: try a slower endpoint or timing")
    probe.code(reply, 400)
    detail = reply.fields().get("detail")
    probe.expect(detail == _EARLY, f"detail {_EARLY!r}, which clients compare", detail)


@TABLE.add("queue.result.refused", "§3.4", "The result of a wrong input is 422 with a `detail`", 1)
def _(probe: Probe) -> None:
    reply = probe.result(probe.done(probe.wrong_input()))
    probe.code(reply, 422)
    probe.expect(bool(reply.fields().get("detail")), "detail", reply.text)


@TABLE.add("queue.result.again", "§12 row 32", "A result can be read again", 1)
def _(probe: Probe) -> None:
    request_id = probe.done()
    first = probe.result(request_id)
    second = probe.result(request_id)
    same = (first.status, first.json()) == (second.status, second.json())
    probe.expect(same, "the same answer again", f"{second.status} {second.text}")


@TABLE.add("queue.result.whole-id", "§3.7", "A result of the whole id is 405, with Allow: POST", 1)
def _(probe: Probe) -> None:
    refuses_whole_id(probe, probe.done(), "")


@TABLE.add("queue.result.response", "§3.7", "…/requests/{id}/response is 405", 1)
def _(probe: Probe) -> None:
    probe.code(probe.ask("GET", probe.request_url(probe.done(), "/response")), 405)


@TABLE.add("queue.result.unknown", "§3.4", "The result of nobody's job is 404", 1)
def _(probe: Probe) -> None:
    is_answered(probe, "")
    probe.code(probe.result(NOBODYS), 404)


@TABLE.add("queue.cancel.taken", "§3.5", "A cancellation is 202 CANCELLATION_REQUESTED", 1)
def _(probe: Probe) -> None:
    reply, _ = _cancelled(probe)
    state = reply.fields().get("status")
    if (reply.status, state) == (200, "OK"):
        probe.note(False, "it is answered 200 OK, which one of fal's pages has, without the code")
        return
    wanted = "202 CANCELLATION_REQUESTED"
    right = (reply.status, state) == (202, "CANCELLATION_REQUESTED")
    probe.expect(right, wanted, f"{reply.status} {reply.text}")


@TABLE.add("queue.cancel.status", "§3.2", "A cancelled job is COMPLETED: there is no CANCELLED", 1)
def _(probe: Probe) -> None:
    _, request_id = _cancelled(probe)
    knows_three(probe, probe.statuses(request_id)[-1])


@TABLE.add("queue.cancel.result", "§3.4", "A cancelled job's result is 499, or its output", 1)
def _(probe: Probe) -> None:
    reply, request_id = _cancelled(probe)
    if reply.status not in (200, 202):
        raise CouldNotLook(f"a cancellation is answered {short(f'{reply.status} {reply.text}')}")
    probe.ended(request_id)
    reply = probe.result(request_id)
    probe.code(reply, 499, 200)
    if reply.status == 499:
        got = reply.fields().get("error_type")
        probe.expect(got == "client_cancelled", "error_type client_cancelled", reply.text)


@TABLE.add("queue.cancel.late", "§3.5", "To cancel what has ended is 400 ALREADY_COMPLETED", 1)
def _(probe: Probe) -> None:
    reply = probe.ask("PUT", probe.request_url(probe.done(), "/cancel"))
    right = (reply.status, reply.fields().get("status")) == (400, "ALREADY_COMPLETED")
    probe.expect(right, "400 ALREADY_COMPLETED", f"{reply.status} {reply.text}")


@TABLE.add("queue.cancel.unknown", "§3.5", "To cancel nobody's job is 404 NOT_FOUND")
def _(probe: Probe) -> None:
    reply = probe.ask("PUT", probe.request_url(NOBODYS, "/cancel"))
    right = (reply.status, reply.fields().get("status")) == (404, "NOT_FOUND")
    probe.expect(right, "404 NOT_FOUND", f"{reply.status} {reply.text}")


def _cancelled(probe: Probe) -> tuple[Exchange, str]:
    """Cancel a new job at once; raise NotApplicable where it had ended by then."""
    request_id = probe.job()
    reply = probe.ask("PUT", probe.request_url(request_id, "/cancel"))
    if reply.status == 400 and reply.fields().get("status") == "ALREADY_COMPLETED":
        raise NotApplicable("the job was done before it could be cancelled")
    return reply, request_id
