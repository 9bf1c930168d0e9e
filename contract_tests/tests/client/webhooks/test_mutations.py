"""Our verifier on deliveries that were changed at random, beside two judges that share none of it.

The first judge knows what was done: a delivery is good as long as nothing that is signed has
changed, its key is among the keys, and it is not stale. The second is fal's procedure, in PyNaCl.
"""

from __future__ import annotations

from collections import Counter

from hypothesis import example, given, settings

from client.webhooks.changing import Arrival, arrivals, spoilt_and_signed, with_other_number
from client.webhooks.published import Verifier, as_jose
from client.webhooks.signing import KeyHost, Signer, in_both_forms, key_host
from falkit_client import errors, webhooks
from falkit_client.webhooks import read_jwks


def ours(one: Arrival) -> bool:
    """Judge by falkit's verifier."""
    document = in_both_forms(*map(Signer, one.signers))
    keys = read_jwks(document, "https://rest.fal.ai/.well-known/jwks.json")
    try:
        webhooks.verify(one.headers, one.body, keys=keys, now=lambda: one.now)
    except errors.Unverified:
        return False
    except errors.BadPayload:
        # Another's signature may stand over a body that was spoilt before: it is good all the same.
        return True
    return True


def published(one: Arrival, judge: Verifier, host: KeyHost) -> bool:
    """Judge by fal's procedure."""
    host.document = in_both_forms(*map(Signer, one.signers))
    url = f"{host.url}?signers={'-'.join(map(str, one.signers))}"
    return judge.accepts(url, dict(one.plain()), one.body, one.now)


def test_a_thousand_changed_deliveries_are_verified_rightly() -> None:
    verdicts: Counter[bool] = Counter()
    judge = Verifier(as_jose)
    with key_host(b"") as host:

        @given(arrivals())
        @settings(max_examples=1000, deadline=None, derandomize=True)
        @example(Arrival())
        @example(Arrival(signers=(2,)))
        @example(with_other_number(Arrival()))
        @example(spoilt_and_signed())
        def judged(one: Arrival) -> None:
            good = one.is_good()
            assert (ours(one), published(one, judge, host)) == (good, good)
            verdicts[good] += 1

        judged()
    assert verdicts.total() >= 1000
    assert min(verdicts[True], verdicts[False]) >= 200, "both verdicts must be common"
