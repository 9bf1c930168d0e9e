"""The cases of what isn't fal's, or no longer, and of fal's keys."""

from __future__ import annotations

from falkit_contract.webhooks._reaching import Answer
from falkit_contract.webhooks._sent import Job, Sent, rewritten
from falkit_contract.webhooks._trial import Flow, NotJudged, Trial, shown

# Seconds by which a stale delivery is off, as those of the mock's fault, and by which keys are old.
_STALE = 600.0
_A_DAY = 86_400.0 + 60.0
_VERIFY = "verify before anything else (falkit_client.webhooks.verify, docs/webhooks.md)"


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
    if answer.ok or (yield from verifies_rewritten(trial, job)):
        raise takes_rewritten(trial)
    yield from _still_good(trial, job)


def verifies_rewritten(trial: Trial, job: Job) -> Flow[bool]:
    """Tell whether a handler takes what is signed as JavaScript would write it again."""
    plain = job.body()
    headers = trial.mock.sign(job, rewritten(plain)).headers
    sent = Sent(headers, plain)
    return (yield from trial.deliver("signed over other bytes of the same JSON", sent)).ok


def takes_rewritten(trial: Trial) -> Exception:
    return trial.finding(
        "it verifies JSON that it has written again, or nothing at all",
        "4xx: these bytes are not the signed ones",
        "the signature is over the bytes; its JSON has spaces and sorted keys (docs/wire.md §5.1)",
        "verify the raw body (`await request.body()`, `request.get_data()`), then parse it",
    )


def rotated_key(trial: Trial) -> Flow[None]:
    fal = "any of the published keys may sign, and they are kept for a day at most"
    job = yield from trial.job()
    yield from trial.good(job, "an output", trial.mock.sign(job))
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
