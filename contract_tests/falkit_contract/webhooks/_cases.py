"""The cases: what is sent to a handler, what it has to answer, and what must have come of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from falkit_contract.webhooks._sent import Job, forgotten, without_error
from falkit_contract.webhooks._trial import NOT_AGAIN, Flow, NotJudged, Trial, shown
from falkit_contract.webhooks._verifying import (
    forged,
    reserialised,
    rotated_key,
    stale,
    takes_rewritten,
    tampered,
    verifies_rewritten,
)

Steps = Callable[[Trial], Flow[None]]


def error_null(trial: Trial) -> Flow[None]:
    fetched, job = trial.mock.fetches(), (yield from trial.job())
    answer = yield from trial.deliver("an output, with `error: null`", trial.mock.sign(job))
    if not answer.ok:
        raise (yield from _why_refused(trial, job, fetched))
    if trial.given.get("stored") and (yield from trial.stored(job)) is None:
        other = yield from trial.job()
        sent = trial.mock.sign(other, without_error(other.body()))
        answer = yield from trial.deliver("another without `error`", sent)
        if answer.ok and (yield from trial.stored(other)) is not None:
            raise _error_null_is_an_error(trial)
        raise trial.finding(
            "an output is acknowledged and not stored",
            "2xx, and the output stored",
            "a webhook that was acknowledged isn't sent again",
            f"store it before you answer, or give wait= if it is done later{trial.unknown}",
            stored="nothing",
        )
    if (yield from trial.failed(job)) is not None:
        raise _error_null_is_an_error(trial)


def _error_null_is_an_error(trial: Trial) -> Exception:
    return trial.finding(
        "an output with `error: null` is taken for a failure",
        "2xx, and the output stored",
        "`error` is always there, and null where there is none (docs/wire.md §5.1)",
        'go by status: `if delivery["status"] == "OK"`; a schema needs `error: str | None`',
    )


def _why_refused(trial: Trial, job: Job, fetched: int) -> Flow[Exception]:
    """Find out why a delivery as fal sends it isn't taken."""
    wanted, fal = "2xx", NOT_AGAIN
    plain = job.body()
    if (yield from verifies_rewritten(trial, job)):
        return takes_rewritten(trial)
    sent = trial.mock.sign(job, without_error(plain))
    if (yield from trial.deliver("the same without `error`", sent)).ok:
        return _error_null_is_an_error(trial)
    keys = f"the keys are at {trial.mock.jwks_url}"
    if trial.mock.fetches() == fetched:
        keys += ", where nobody has asked for them now: see docs/webhook-tests.md#keys"
    return trial.finding(
        "a delivery as fal sends it is refused",
        wanted,
        fal,
        f"the body must be verified raw, as it came; {keys}{trial.unknown}",
    )


def error_payload(trial: Trial) -> Flow[None]:
    job = yield from trial.job("content_policy_violation")
    answer = yield from trial.deliver("an error: 422 and its detail", trial.mock.sign(job))
    mend = 'look at status before payload: with "ERROR", payload is the error\'s body'
    fal = "a job that failed has a webhook like any other (docs/wire.md §5.1)"
    if not answer.ok:
        raise trial.refusal("an error is not acknowledged", "2xx", f"{fal}; {NOT_AGAIN}", mend)
    if (form := (yield from trial.stored(job))) is not None:
        raise trial.finding(
            "an error is stored as an output", "no output", fal, mend, stored=shown(form)
        )
    if trial.given.get("failed") and (yield from trial.failed(job)) is None:
        raise trial.finding(
            "a failure goes unnoticed", "the job is known to have failed", fal, mend
        )


def payload_null(trial: Trial) -> Flow[None]:
    fal = "an output that isn't JSON comes as `payload: null`, with OK (docs/wire.md §5.1)"
    mend = "payload may be null with either status; an output is then read from the queue"
    done = yield from trial.job()
    sent = trial.mock.sign(done, done.not_json(200))
    if not (yield from trial.deliver("OK, with `payload: null`", sent)).ok:
        raise trial.refusal("`payload: null` is not taken", "2xx", f"{fal}; {NOT_AGAIN}", mend)
    broken = yield from trial.job()
    sent = trial.mock.sign(broken, broken.not_json(404))
    if not (yield from trial.deliver("ERROR, with `payload: null`", sent)).ok:
        problem = "an error with `payload: null` is not taken"
        raise trial.refusal(problem, "2xx", f"{fal}; {NOT_AGAIN}", mend)
    if (form := (yield from trial.stored(broken))) is not None:
        problem = "an error with `payload: null` is stored as an output"
        raise trial.finding(problem, "no output", fal, mend, stored=shown(form))


def duplicate(trial: Trial) -> Flow[None]:
    job = yield from trial.job()
    sent = trial.mock.sign(job)
    yield from trial.good(job, "an output", sent)
    before = yield from trial.stored(job)
    fal = "the same webhook may come more than once (docs/wire.md §5.3)"
    mend = "keep the request ids that are done, written together with the work; answer 200 to these"
    for what, again in (
        ("the same once more", sent),
        ("signed anew", trial.mock.sign(job, ago=-1)),
    ):
        answer = yield from trial.deliver(what, again)
        if not answer.ok:
            problem = "a repetition is not acknowledged"
            raise trial.finding(problem, "2xx each time", f"{fal}; {NOT_AGAIN}", mend)
        if (after := (yield from trial.stored_other_than(before, job))) != before:
            raise trial.finding(
                "a repetition is acted on",
                "2xx each time, and nothing done again",
                fal,
                mend,
                stored=f"{shown(before)}\nthen {shown(after)}",
            )


def at_once(trial: Trial) -> Flow[None]:
    alone, job = (yield from trial.job()), (yield from trial.job())
    yield from trial.good(alone, "an output", trial.mock.sign(alone))
    done = yield from trial.stored(alone)
    fal = "the same webhook may come more than once (docs/wire.md §5.3), at the same time as well"
    mend = "let the database decide: a unique request id, inserted before the work is done"
    answers = yield from trial.twice("one of two at the same time", trial.mock.sign(job))
    if not any(answer.ok for answer in answers):
        problem = "of two that come at the same time neither is taken"
        raise trial.refusal(problem, "2xx for one of them", fal, mend)
    form = yield from trial.stored(job)
    if _count(form) > _count(done):
        problem = "two that come at the same time are both acted on"
        raise trial.finding(problem, "nothing done twice", fal, mend, stored=shown(form))


def _count(form: object) -> int:
    """Return how much was done, as far as a list tells: a number may also be the id of a row."""
    return len(cast("list[object]", form)) if isinstance(form, list) else 0


def out_of_order(trial: Trial) -> Flow[None]:
    first = yield from trial.job()
    second = yield from trial.job()
    fal = "nothing orders webhooks: the job of a later submit may end first"
    mend = "find the job by request_id alone"
    sent = trial.mock.sign(second)
    answer = yield from trial.deliver("the output of the second of two jobs", sent)
    if answer.ok and (form := (yield from trial.stored(first))) is not None:
        problem = "the output of a later job is stored for an earlier one"
        raise trial.finding(problem, "each for its own job", fal, mend, stored=shown(form))
    yield from trial.taken(second, answer)
    before = yield from trial.stored(second)
    yield from trial.good(first, "then that of the first", trial.mock.sign(first))
    after = (yield from trial.stored(first)), (yield from trial.stored(second))
    if not trial.given.get("stored"):
        return
    foreign = second.marks() - first.marks(), first.marks() - second.marks()
    mixed = any(
        mark in repr(form) for form, marks in zip(after, foreign, strict=True) for mark in marks
    )
    if mixed or after[1] != before:
        problem = "two jobs' outputs are mixed up"
        raise trial.finding(problem, "each for its own job", fal, mend, stored=shown(after))


def late(trial: Trial) -> Flow[None]:
    submitted = yield from trial.job(told=False)
    job = forgotten(submitted)
    yield from trial.tell(job)
    sent = trial.mock.sign(job)
    answer = yield from trial.deliver("an output, two hours after the submit", sent)
    fal = "it is tried for two hours, and the queue keeps a result for six minutes or an hour"
    mend = "use the payload; only where it is null ask the queue, for which 404 is an answer too"
    if not answer.ok:
        problem = "a late delivery is not taken"
        raise trial.refusal(problem, "2xx, and the output stored", fal, mend)
    if trial.given.get("stored") and (yield from trial.stored(job)) is None:
        problem = "a late delivery is acknowledged and not stored"
        raise trial.refusal(problem, "2xx, and the output stored", fal, mend, stored="nothing")


def lost(trial: Trial) -> Flow[None]:
    reconcile = trial.given.get("reconcile")
    if reconcile is None or not trial.given.get("stored"):
        raise NotJudged("give reconcile= and stored=: only your program can find what never came")
    job = yield from trial.job()
    yield from trial.call(reconcile)
    fal = "a webhook can be lost, and the job is paid for (docs/missing-webhooks.md)"
    mend = "ask the queue about jobs that are overdue, and finish them as their webhook would"
    before = yield from trial.stored(job)
    if before is None:
        problem = "a job whose webhook never came is not found"
        raise trial.finding(problem, "its output stored", fal, mend, stored="nothing")
    yield from trial.good(job, "the webhook, after all", trial.mock.sign(job))
    if (after := (yield from trial.stored_other_than(before, job))) != before:
        problem = "what was finished already is done again by its webhook"
        stored = f"{shown(before)}\nthen {shown(after)}"
        raise trial.finding(problem, "2xx, and nothing done again", fal, mend, stored=stored)
    broken = yield from trial.job("content_policy_violation")
    yield from trial.call(reconcile)
    if (form := (yield from trial.stored(broken))) is not None:
        problem = "a job that failed is found and stored as an output"
        fal = "a job that failed is COMPLETED too, and its result is an error"
        raise trial.finding(problem, "no output", fal, mend, stored=shown(form))


def before_reply(trial: Trial) -> Flow[None]:
    job = yield from trial.job(told=False)
    wanted = "2xx and the output stored, or another answer until the job is known"
    fal = (
        "a webhook can come before the reply to its submit; once acknowledged, it isn't sent again"
    )
    mend = "keep what comes for an unknown id, or answer 503 so that it comes again"
    sent = trial.mock.sign(job)
    answer = yield from trial.deliver("an output, before the submit has returned", sent)
    yield from trial.tell(job)
    if not answer.ok:
        if answer.status is not None and 300 <= answer.status < 400:
            problem = "it is redirected, which isn't followed"
            raise trial.refusal(problem, wanted, f"{fal}; 3xx may be final", mend)
        sent = trial.mock.sign(job)
        answer = yield from trial.deliver("the same, after it", sent)
        if not answer.ok:
            problem = "what came too soon isn't taken later either"
            raise trial.refusal(problem, wanted, fal, mend)
    if trial.given.get("stored") and (yield from trial.stored(job)) is None:
        problem = "what comes before the submit's reply is acknowledged and dropped"
        raise trial.refusal(problem, wanted, fal, mend, stored="nothing")


CASES: dict[str, tuple[str, Steps]] = {
    "error-null": ("an output, with `error: null` as fal writes it", error_null),
    "error-payload": ("a job that failed: ERROR, and the error's body as payload", error_payload),
    "payload-null": ("an output, or an error, that isn't JSON", payload_null),
    "duplicate": ("the same webhook again, and signed anew", duplicate),
    "at-once": ("the same webhook twice at the same time", at_once),
    "out-of-order": ("the second of two jobs first", out_of_order),
    "late": ("two hours after the submit", late),
    "lost": ("never", lost),
    "before-reply": ("before the submit has returned", before_reply),
    "tampered": ("changed after it was signed", tampered),
    "forged": ("not signed, or by a stranger", forged),
    "stale": ("signed too long ago, or in the future", stale),
    "reserialised": ("the same JSON in other bytes", reserialised),
    "rotated-key": ("signed with another of fal's keys, and with a new one", rotated_key),
}
"""By id: what happens, and the steps."""
