"""`--format`, `--out`, `--fail-on` and `--baseline`: how commands report what they find."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from falkit_spec.cli.options import BASELINE, fail_on_option
from falkit_spec.errors import SpecError
from falkit_spec.findings import FailOn, Report

if TYPE_CHECKING:
    from falkit_spec.reports import Format
    from falkit_spec.reports.baseline import Entry

_Command = TypeVar("_Command", bound=Callable[..., Any])
_STDOUT = "-"


def _today() -> date:
    return date.today()


_FORMAT = click.Option(
    ["--format", "form"],
    type=click.Choice(["text", "json", "junit", "sarif", "markdown", "html", "github"]),
    default="text",
    show_default=True,
    help="How to print it; github are annotations.",
)
_OUT = click.Option(
    ["--out", "outs"],
    multiple=True,
    metavar="FILE|FORMAT:FILE",
    help="Write it to a file, too: .txt, .json, .xml (JUnit), .sarif, .md or .html; may be given "
    "more than once.",
)


def reporting_options(command: _Command) -> _Command:
    """Add the options of a command that prints a report; it gives them to `Reporting.of`."""
    params: list[click.Parameter] = getattr(command, "__click_params__", [])
    command.__click_params__ = params  # type: ignore[attr-defined]
    # Click has them in the opposite order.
    params += reversed([_FORMAT, _OUT, fail_on_option("warning"), *BASELINE])
    return command


@dataclass(kw_only=True)
class Reporting:
    """What a command was told to do with its report."""

    fail_on: FailOn
    form: Format | None = None
    """How it is printed; None where it isn't."""
    outs: Sequence[tuple[Format, str]] = ()
    baseline: Path | None = None
    update: bool = False
    reason: str = ""
    option: str = "out"
    """What the option is called that names the files."""
    known: list[Entry] = field(default_factory=list["Entry"])

    @classmethod
    def of(
        cls,
        *,
        fail_on: str,
        outs: Sequence[str],
        baseline: str | None,
        update_baseline: bool,
        reason: str | None,
        form: str | None = None,
        option: str = "out",
    ) -> Reporting:
        """Return what the options say; a UsageError names the one that can't be, and the fix.

        `option` is what `outs` are called.
        """
        if baseline is None and (update_baseline or reason is not None):
            name = "update-baseline" if update_baseline else "reason"
            fix = "give its file with --baseline, such as --baseline falkit-baseline.toml"
            raise click.UsageError(f"{name}: there is no baseline; {fix}")
        if reason is not None and not (update_baseline and reason.strip()):
            fix = "it is for --update-baseline" if reason.strip() else "say why, or leave it out"
            raise click.UsageError(f"reason: {reason!r}: {fix}")
        made = cls(
            fail_on=cast("FailOn", fail_on),
            form=cast("Format | None", form),
            outs=[target_of(option, out) for out in outs],
            baseline=None if baseline is None else Path(baseline),
            update=update_baseline,
            reason=reason or "",
            option=option,
        )
        made._read()
        return made

    def accept(self, report: Report, *, files: bool = False) -> None:
        """Have a report go by the baseline, if there is one."""
        if self.baseline is not None:
            from falkit_spec.reports.baseline import apply_to

            apply_to(report, self.known, _today(), files=files)

    def finish(
        self, report: Report, *, files: bool = False, whole: bool = True, of: str = ""
    ) -> int:
        """Judge by the baseline, print and write; return the exit code.

        `files` says whether files were looked at, and not a running program; `whole` whether all
        was looked at that there is; `of` is what a text says was looked at. A UsageError says which
        file can't be written.
        """
        from falkit_spec.reports import write

        if self.update:
            self._update(report, files, whole)
        self.accept(report, files=files)
        if self.form == "text":
            from falkit_spec.reports.text import as_text

            click.echo(as_text(report, of), nl=False)
        elif self.form is not None:
            click.echo(write(report, self.form), nl=False)
        for form, out in self.outs:
            write_out(self.option, out, write(report, form))
        return report.exit_code(self.fail_on)

    def _read(self) -> None:
        if self.baseline is None or (self.update and not self.baseline.exists()):
            return
        from falkit_spec.reports.baseline import BaselineError, read

        try:
            self.known = read(self.baseline)
        except BaselineError as error:
            raise click.UsageError(f"baseline: {error}") from None

    def _update(self, report: Report, files: bool, whole: bool) -> None:
        from falkit_spec.reports.baseline import BaselineError, save, update

        assert self.baseline is not None
        # Where not all could be looked at, nothing is known to be gone.
        drop = whole and not report.problems
        before = {entry.fingerprint for entry in self.known}
        self.known = update(
            report.findings, self.known, _today(), self.reason, files=files, drop=drop
        )
        after = {entry.fingerprint for entry in self.known}
        try:
            save(self.baseline, self.known)
        except BaselineError as error:
            raise click.UsageError(f"baseline: {error}") from None
        new, gone = len(after - before), len(before - after)
        told = f"{len(after):,} in the baseline: {new:,} new, {gone:,} gone"
        click.echo(f"falkit: {self.baseline}: {told}", err=True)


def target_of(option: str, word: str) -> tuple[Format, str]:
    """Return the format and the file that FILE or FORMAT:FILE names; `-` is stdout.

    A UsageError names the option, and the fix.
    """
    from falkit_spec.reports import FORMATS, format_of

    name, colon, file = word.partition(":")
    # One letter is a drive of Windows.
    if colon and len(name) > 1:
        if name in FORMATS and file:
            _check_folder(option, file)
            return name, file
        if name in FORMATS:
            raise click.UsageError(f"{option}: {word!r} names no file; write {name}:FILE")
    _check_folder(option, word)
    try:
        return format_of(word), word
    except SpecError as error:
        raise click.UsageError(f"{option}: {error}") from None


def write_out(option: str, out: str, text: str) -> None:
    """Write a text to a file, or to stdout for `-`; a UsageError says why that can't be."""
    if out == _STDOUT:
        click.echo(text, nl=False)
        return
    try:
        Path(out).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        fix = "name another file"
        raise click.UsageError(f"{option}: {out}: can't be written ({why}); {fix}") from None


def _check_folder(option: str, file: str) -> None:
    """Refuse at the start what can't be written at the end."""
    folder = Path(file).absolute().parent
    if file != _STDOUT and not folder.is_dir():
        fix = "make it, or name another file"
        raise click.UsageError(f"{option}: {file}: there is no folder {Path(file).parent}; {fix}")
