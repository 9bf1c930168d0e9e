"""The cases: what is sent to a handler, what it has to answer, and what must have come of it."""

from __future__ import annotations

from collections.abc import Callable

from falkit_contract.webhooks._reaching import Answer
from falkit_contract.webhooks._sent import Job, Sent, forgotten, rewritten, without_error
from falkit_contract.webhooks._trial import Flow, NotJudged, Trial, shown

Steps = Callable[[Trial], Flow[None]]
# Seconds by which a stale delivery is off, as those of the mock's fault, and by which keys are old.
_STALE = 600.0
_A_DAY = 86_400.0 + 60.0
_NOT_AGAIN = "what isn't answered 2xx is sent again, for two hours"
_VERIFY = "verify before anything else (falkit_client.webhooks.verify, docs/webhooks.md)"


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
            f"store it before you answer, or give wait= if it is done later{_unknown(trial)}",
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
    wanted, fal = "2xx", _NOT_AGAIN
    plain = job.body()
    if (yield from _verifies_rewritten(trial, job)):
        return _rewritten(trial)
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
        f"the body must be verified raw, as it came; {keys}{_unknown(trial)}",
    )


def _unknown(trial: Trial) -> str:
    hint = "; if it takes only jobs that it knows, give submitted="
    return "" if trial.given.get("submitted") else hint


def error_payload(trial: Trial) -> Flow[None]:
    job = yield from trial.job("content_policy_violation")
    answer = yield from trial.deliver("an error: 422 and its detail", trial.mock.sign(job))
    mend = 'look at status before payload: with "ERROR", payload is the error\'s body'
    fal = "a job that failed has a webhook like any other (docs/wire.md §5.1)"
    if not answer.ok:
        raise trial.refusal("an error is not acknowledged", "2xx", f"{fal}; {_NOT_AGAIN}", mend)
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
        raise trial.refusal("`payload: null` is not taken", "2xx", f"{fal}; {_NOT_AGAIN}", mend)
    broken = yield from trial.job()
    sent = trial.mock.sign(broken, broken.not_json(404))
    if not (yield from trial.deliver("ERROR, with `payload: null`", sent)).ok:
        problem = "an error with `payload: null` is not taken"
        raise trial.refusal(problem, "2xx", f"{fal}; {_NOT_AGAIN}", mend)
    if (form := (yield from trial.stored(broken))) is not None:
        problem = "an error with `payload: null` is stored as an output"
        raise trial.finding(problem, "no output", fal, mend, stored=shown(form))


def duplicate(trial: Trial) -> Flow[None]:
    job = yield from trial.job()
    sent = trial.mock.sign(job)
    yield from _good(trial, job, "an output", sent)
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
            raise trial.finding(problem, "2xx each time", f"{fal}; {_NOT_AGAIN}", mend)
        if (after := (yield from trial.stored_other_than(before, job))) != before:
            raise trial.finding(
                "a repetition is acted on",
                "2xx each time, and nothing done again",
                fal,
                mend,
                stored=f"{shown(before)}\nthen {shown(after)}",
            )


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
    yield from _taken(trial, second, answer)
    before = yield from trial.stored(second)
    yield from _good(trial, first, "then that of the first", trial.mock.sign(first))
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
    yield from _good(trial, job, "the webhook, after all", trial.mock.sign(job))
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


def tampered(trial: Trial) -> Flow[None]:
    job, other = (yield from trial.job()), (yield from trial.job())
    good = trial.mock.sign(job)
    changed = Sent(good.headers, good.body[:-1] + b', "tampered": true}')
    moved = {**good.headers, "X-Fal-Webhook-Request-Id": other.request_id}
    fal = "the signature is over the headers and the raw body (docs/wire.md §5.2)"
    yield from _forged(trial, "a body that was changed after it was signed", changed, job, fal)
    yield from _forged(trial, "the headers of another job", Sent(moved, good.body), other, fal)
    yield from _still_good(trial, job)


def forged(trial: Trial) -> Flow[None]:
    job = yield from trial.job()
    good = trial.mock.sign(job)
    bare = {name: text for name, text in good.headers.items() if not name.startswith("X-Fal-")}
    fal = "everybody can call a public URL; fal signs, by a key that it publishes"
    yield from _forged(trial, "without a signature", Sent(bare, good.body), job, fal)
    strange = trial.mock.sign(job, key=trial.mock.strange_key)
    yield from _forged(trial, "signed with a key that isn't published", strange, job, fal)
    yield from _still_good(trial, job)


def stale(trial: Trial) -> Flow[None]:
    job = yield from trial.job()
    fal = "300 s are allowed, either way (docs/wire.md §5.2)"
    mend = "compare X-Fal-Webhook-Timestamp with the time; falkit_client.webhooks.verify does"
    for what, ago in (("signed 600 s ago", _STALE), ("signed 600 s from now", -_STALE)):
        yield from _forged(trial, what, trial.mock.sign(job, ago=ago), job, fal, mend)
    yield from _still_good(trial, job)


def reserialised(trial: Trial) -> Flow[None]:
    job = yield from trial.job()
    good = trial.mock.sign(job)
    answer = yield from _bad(
        trial, "other bytes of the same JSON", Sent(good.headers, rewritten(good.body))
    )
    if answer.ok or (yield from _verifies_rewritten(trial, job)):
        raise _rewritten(trial)
    yield from _still_good(trial, job)


def _verifies_rewritten(trial: Trial, job: Job) -> Flow[bool]:
    """Tell whether a handler takes what is signed as JavaScript would write it again."""
    plain = job.body()
    headers = trial.mock.sign(job, rewritten(plain)).headers
    sent = Sent(headers, plain)
    return (yield from trial.deliver("signed over other bytes of the same JSON", sent)).ok


def _rewritten(trial: Trial) -> Exception:
    return trial.finding(
        "it verifies JSON that it has written again, or nothing at all",
        "4xx: these bytes are not the signed ones",
        "the signature is over the bytes; its JSON has spaces and sorted keys (docs/wire.md §5.1)",
        "verify the raw body (`await request.body()`, `request.get_data()`), then parse it",
    )


def rotated_key(trial: Trial) -> Flow[None]:
    fal = "any of the published keys may sign, and they are kept for a day at most"
    job = yield from trial.job()
    yield from _good(trial, job, "an output", trial.mock.sign(job))
    job = yield from trial.job()
    sent = trial.mock.sign(job, key=trial.mock.older_key)
    if not (yield from trial.deliver("signed with the other published key", sent)).ok:
        mend = "try each key of the list, not the first alone"
        raise trial.refusal("only one of the published keys is tried", "2xx", fal, mend)
    key, job = trial.mock.rotate(), (yield from trial.job())
    sent = trial.mock.sign(job, key=key)
    if (yield from trial.deliver("signed with a new key", sent)).ok:
        return
    # What keeps keys for a day, as fal allows, takes it once that is over.
    expire = trial.given.get("expire")
    if expire is not None:
        yield from trial.call(expire)
    elif not trial.handler.here:
        raise NotJudged("it keeps fal's keys, as is allowed for a day: give expire= to empty that")
    # One more for each time: a handler that was tried before got its keys a day from now.
    later = _A_DAY * trial.mock.rotations
    sent = trial.mock.sign(job, ago=-later, key=key)
    if (yield from trial.deliver("a day later", sent, later)).ok:
        return
    sent = trial.mock.sign(job, key=key)
    if (yield from trial.deliver("a day later, signed by another clock", sent)).ok:
        return
    mend = "fetch the keys again after a day, or when none fits, and not twice in a minute"
    if expire is None:
        mend += "; if it does by another clock than time.time(), give expire="
    raise trial.refusal("a new key of fal's is never believed", "2xx, a day later", fal, mend)


def _good(trial: Trial, job: Job, what: str, sent: Sent) -> Flow[None]:
    """Deliver what has to be taken, and stored, in any case."""
    yield from _taken(trial, job, (yield from trial.deliver(what, sent)))


def _taken(trial: Trial, job: Job, answer: Answer) -> Flow[None]:
    wanted, mend = "2xx, and the output stored", f"take it{_unknown(trial)}"
    if not answer.ok:
        raise trial.refusal("a good delivery is refused", wanted, _NOT_AGAIN, mend)
    if trial.given.get("stored") and (yield from trial.stored(job)) is None:
        problem = "an output is acknowledged and not stored"
        raise trial.refusal(problem, wanted, "it isn't sent again", mend, stored="nothing")


def _bad(trial: Trial, what: str, sent: Sent) -> Flow[Answer]:
    """Deliver what has to be refused; raise where it is answered neither 2xx nor 4xx."""
    answer = yield from trial.deliver(what, sent)
    if not answer.ok and not (answer.status and 400 <= answer.status < 500):
        raise trial.refusal(
            "it breaks on what isn't fal's",
            "4xx, and nothing done",
            "anybody may send anything to a public URL",
            f"{_VERIFY}, and answer 4xx where that fails",
        )
    return answer


def _forged(
    trial: Trial, what: str, sent: Sent, job: Job, fal: str, mend: str = _VERIFY
) -> Flow[None]:
    answer = yield from _bad(trial, what, sent)
    if answer.ok:
        raise trial.finding(f"it is taken: {what}", "4xx, and nothing done", fal, mend)
    if (form := (yield from trial.stored_other_than(None, job))) is not None:
        problem = "it is refused, and acted on all the same"
        raise trial.finding(problem, "4xx, and nothing done", fal, mend, stored=shown(form))


def _still_good(trial: Trial, job: Job) -> Flow[None]:
    """Have what was refused not stand in the way of what fal sends."""
    answer = yield from trial.deliver("then fal's own", trial.mock.sign(job))
    stored = (yield from trial.stored(job)) if answer.ok else None
    if not answer.ok or (trial.given.get("stored") and stored is None):
        raise trial.refusal(
            "what a stranger sent keeps fal's own from being taken",
            "2xx, and the output stored",
            "a delivery is known to be fal's only once it is verified",
            "note a request id as done after it is verified, not before",
        )


CASES: dict[str, tuple[str, Steps]] = {
    "error-null": ("an output, with `error: null` as fal writes it", error_null),
    "error-payload": ("a job that failed: ERROR, and the error's body as payload", error_payload),
    "payload-null": ("an output, or an error, that isn't JSON", payload_null),
    "duplicate": ("the same webhook again, and signed anew", duplicate),
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
