"""--budget and --alert-at: the options, and the line and exit code at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from falkit_mock.app import MockApp
    from falkit_mock.settings import Settings
    from falkit_mock.store.link import Link

BUDGET = (
    click.Option(
        ["--budget"],
        metavar="USD",
        help="Exit with 1 at the end if calls would have cost more at fal than this, such as 2.50; "
        "no call is refused.",
    ),
    click.Option(
        ["--alert-at"],
        multiple=True,
        metavar="USD",
        help="Say so once when calls would have cost this much at fal; may be given more than "
        "once.",
    ),
)
EXCEEDED = 1


class Budget:
    """What is said at the end of a mock whose calls would have cost more than its budget."""

    def __init__(self, app: MockApp) -> None:
        self._app = app
        # Empty while the budget isn't exceeded.
        self.line = ""

    async def check(self) -> None:
        """See whether the budget is exceeded; call it on the mock's event loop, before its end."""
        budget = self._app.service.settings.budget
        if budget is None:
            return
        # Lazy: most mocks have no budget.
        from falkit_mock.findings import handed_to
        from falkit_mock.service.spend import Spend, listed, sums_by_now
        from falkit_spec.facts import over

        app = self._app
        sums = sums_by_now(app.services(), app.catalog)
        spend = Spend.of(sums)
        # What tests with mocks of their own have spent is on the same bill.
        if handed := [one.spend for one in handed_to(app) if one.spend]:
            from falkit_spec.reports.adding import summed

            spend = Spend.read(summed([sums.to_json(), *handed]))
        if said := over(budget, spend.total):
            more = f", and {spend.unknown} of unknown price" if spend.unknown else ""
            self.line = f"{said}{more}: {listed(spend.by_endpoint)}"


def share(app: MockApp, link: Link) -> None:
    """Have a worker's amounts be those of all."""
    # Lazy, as above.
    from falkit_mock.service.spend import SpentTogether, meter_of

    if (limits := meter_of(app.service, app.catalog).limits) is not None:
        limits.together = SpentTogether(link.spent, link.number)


def over_together(settings: Settings, spent: memoryview) -> str:
    """Return the line for workers that have spent more than the budget, or nothing."""
    if settings.budget is None:
        return ""
    from falkit_mock.service.spend import SpentTogether
    from falkit_spec.facts import over

    return over(settings.budget, SpentTogether(spent).total)
