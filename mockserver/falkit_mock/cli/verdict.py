"""--report, --fail-on and --baseline: what falkit run and serve say of a program at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from falkit_mock.cli.config import in_file
from falkit_mock.cli.options import note
from falkit_spec.cli.options import BASELINE, fail_on_option

if TYPE_CHECKING:
    from falkit_mock.app import MockApp
    from falkit_spec.cli.reporting import Reporting
    from falkit_spec.findings import Report

REPORT = (
    click.Option(
        ["--report", "reports"],
        multiple=True,
        metavar="FILE|FORMAT:FILE",
        help="At the end, write what is wrong with the program: .txt, .json, .xml (JUnit), .sarif, "
        ".md or .html; may be given more than once.",
    ),
    fail_on_option("never"),
    *BASELINE,
)


class Verdict:
    """What is said at the end of a mock of those who called it."""

    def __init__(self, chosen: Mapping[str, Any], command: str) -> None:
        """Take the options; a UsageError says which can't be."""
        names = ("fail_on", "baseline", "update_baseline", "reason")
        asked = {name: chosen[name] for name in names} | {"outs": chosen["reports"]}
        # Whether it was asked for, and not only for a line of the summary.
        self.wanted = asked.pop("fail_on") != "never" or any(asked.values())
        self._reporting: Reporting | None = None
        self._command = command
        self.report: Report | None = None
        if self.wanted:
            # Lazy: most mocks are asked for no report.
            from falkit_spec.cli.reporting import Reporting

            try:
                self._reporting = Reporting.of(**asked, fail_on=chosen["fail_on"], option="report")
            except click.UsageError as error:
                raise click.UsageError(in_file(error.format_message())) from None

    async def look(self, app: MockApp) -> None:
        """Collect what was found; on the mock's event loop, before its end."""
        # Lazy: by now the program has run.
        from falkit_mock.findings import report_of

        self.report = await report_of(app, self._command, conclude=True)
        if self._reporting is not None:
            self._reporting.accept(self.report)

    def finish(self, code: int = 0) -> int:
        """Write it; return the exit code, a command's own if it isn't 0.

        What a command that failed didn't come to isn't taken to be gone from the baseline.
        """
        report, reporting = self.report, self._reporting
        if report is None or reporting is None:
            return code
        from falkit_spec.findings import FOUND, NOT_LOOKED

        try:
            judged = reporting.finish(report, whole=code == 0)
        except click.UsageError as error:
            note(in_file(error.format_message()), "error")
            return code or NOT_LOOKED
        if judged == FOUND:
            from falkit_spec.reports.text import as_text

            note("\n" + as_text(report).rstrip(), "error")
        elif judged == NOT_LOOKED:
            note(f"not looked at: {'; '.join(report.problems)}", "error")
        return code or judged
