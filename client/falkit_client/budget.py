"""Money that may be spent: reserved before a call, settled when its cost is known."""

from __future__ import annotations

import threading
from decimal import Decimal, InvalidOperation

from falkit_client.errors import BudgetExceeded, PriceUnknown
from falkit_spec.facts import dollars

ZERO = Decimal(0)


class Budget:
    """A limit in US dollars, for one client or several, in any number of threads and tasks.

    >>> budget = Budget("1.00")
    >>> budget.hold(Decimal("0.24"), "fal-ai/ltx-2/image-to-video/fast").settle(Decimal("0.24"))
    >>> budget.left
    Decimal('0.76')

    A call reserves its price before it is sent, so that simultaneous calls cannot pass the limit
    together. The actual cost replaces the price when the result is there. The price is released
    after failures that fal does not bill: refused input, server errors, no connection. After all
    others, such as an interruption or a cancelled job, it stays held, since fal may bill it.

    `spent` is what finished calls cost; `held` is what calls that are under way, or whose outcome
    is unknown, may still cost. What calls without a known price cost is in neither: `unknown`
    counts those, and while it isn't 0, more may have been spent than the figures say.
    """

    def __init__(self, limit: Decimal | str | float, *, allow_unknown: bool = False) -> None:
        """Start with nothing spent; `allow_unknown` lets calls pass that have no known price.

        They are counted as `unknown`.
        """
        try:
            self.limit = Decimal(str(limit))
        except InvalidOperation:
            raise ValueError(f"limit is {limit!r}: give US dollars such as '5.00'") from None
        if not self.limit.is_finite() or self.limit < 0:
            raise ValueError(f"limit is {limit}: give US dollars, 0 or more")
        self.allow_unknown = allow_unknown
        self.spent = ZERO
        self.held = ZERO
        self.unknown = 0
        # Guards all of it, here and in Hold; taken twice where `hold` asks what is left.
        self.lock = threading.RLock()

    def __repr__(self) -> str:
        """The figures."""
        unknown = f", unknown={self.unknown}" if self.unknown else ""
        return f"Budget(limit={self.limit}, spent={self.spent}, held={self.held}{unknown})"

    @property
    def left(self) -> Decimal:
        """What may still be spent; below 0 if a call cost more than its price."""
        with self.lock:
            return self.limit - self.spent - self.held

    def hold(self, price: Decimal | None, endpoint: str) -> Hold:
        """Reserve the price; BudgetExceeded if too little is left, PriceUnknown without one."""
        if price is None and not self.allow_unknown:
            raise PriceUnknown(
                f"no price is known for {endpoint} with this input, so the budget cannot guard it; "
                "nothing was sent (Budget(…, allow_unknown=True) lets it pass)",
                endpoint=endpoint,
            )
        with self.lock:
            left = self.left
            if price is not None and price > left:
                raise BudgetExceeded(
                    f"{endpoint} would cost {dollars(price)}, and {dollars(max(left, ZERO))} of "
                    f"the budget of {dollars(self.limit)} is left: {dollars(price - left)} too "
                    "much; nothing was sent",
                    price=price,
                    left=left,
                    limit=self.limit,
                    endpoint=endpoint,
                )
            self.held += price or ZERO
            self.unknown += price is None
        return Hold(self, price)


class Hold:
    """The money reserved for one call; settling it again corrects what was settled before."""

    def __init__(self, budget: Budget, price: Decimal | None) -> None:
        """Made by Budget.hold."""
        self._budget = budget
        self._price = price or ZERO
        self._unknown = price is None
        self._settled: Decimal | None = None

    def settle(self, cost: Decimal | None) -> None:
        """Replace the price by the cost; None means the price itself, where that is known."""
        budget = self._budget
        with budget.lock:
            if self._unknown and cost is not None:
                budget.unknown -= 1
                self._unknown = False
            cost = self._price if cost is None else cost
            if self._settled is None:
                budget.held -= self._price
            budget.spent += cost - (self._settled or ZERO)
            self._settled = cost

    def release(self) -> None:
        """The call cost nothing."""
        self.settle(ZERO)
