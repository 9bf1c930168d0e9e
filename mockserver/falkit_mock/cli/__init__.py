"""The `falkit` command: names its subcommands and imports the one that is called."""

from __future__ import annotations

import errno
import gc
import os
import re
import sys
from collections.abc import Container
from importlib import import_module
from types import ModuleType
from typing import cast

import click

# Each command lives in its own package and is imported only when it is called or listed, so
# that this module depends on no other, and `falkit serve` pays for no other.
_COMMANDS = {
    "serve": "falkit_mock.cli.serve:serve",
    "run": "falkit_mock.cli.serve:run",
    "faults": "falkit_mock.cli.faults:faults",
    "clock": "falkit_mock.cli.control:clock",
    "open": "falkit_mock.cli.page:open_",
    "jobs": "falkit_mock.cli.jobs:jobs",
    "requests": "falkit_mock.cli.control:requests",
    "spend": "falkit_mock.cli.control:spend",
    "report": "falkit_mock.cli.report:report",
    "deliveries": "falkit_mock.cli.webhooks:deliveries",
    "reset": "falkit_mock.cli.control:reset",
    "state": "falkit_mock.cli.state:state",
    "tenants": "falkit_mock.cli.tenants:tenants",
    "env": "falkit_mock.cli.gateway:env",
    "cert": "falkit_mock.cli.gateway:cert",
    "uninstall": "falkit_mock.cli.gateway:uninstall",
    "spec": "falkit_spec.cli.spec:spec",
    "check": "falkit_spec.cli.check:check",
    "cost": "falkit_spec.cli.cost:cost",
    "doctor": "falkit_contract.doctor._command:doctor",
    "explain": "falkit_spec.cli.explain:explain",
    "call": "falkit_client.cli:call",
    "listen": "falkit_client.listener:listen",
    "conform": "falkit_contract.conform.cli:conform",
    "trigger": "falkit_mock.cli.webhooks:trigger",
    "resend": "falkit_mock.cli.webhooks:resend",
}
# What commands, options and arguments were called before 0.2. A key of falkit.toml is an
# option without its dashes.
_RENAMED = {
    "journal": "requests",
    "--journal": "--request-log",
    "--outcome": "--status",
    "stand": "pause",
    "export": "state export",
    "import": "state import",
    "--format": "--json",
    "--junit": "--out",
}
# What commands that print a report call an option, and those that run something.
_ELSEWHERE = {"--report": "--out", "--out": "--report"}


def new_name(old: str, known: Container[str]) -> str | None:
    """Return what a word is called now, if it was renamed to one of those known here."""
    new = _RENAMED.get(old)
    return new if new is not None and new.split()[0] in known else None


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if new := new_name(cmd_name, _COMMANDS):
            raise click.UsageError(f"{cmd_name!r} is now called {new!r}")
        if cmd_name not in _COMMANDS:
            # Lazy: for mistakes alone.
            from difflib import get_close_matches

            near = get_close_matches(cmd_name, [*_COMMANDS, *_RENAMED], n=1)
            meant = new_name(near[0], _COMMANDS) or near[0] if near else None
            fix = f"did you mean {meant}?" if meant else "`falkit --help` lists the commands"
            raise click.UsageError(f"no command {cmd_name!r}; {fix}")
        return _command(cmd_name)


def _command(name: str) -> click.Command:
    module, _, attribute = _COMMANDS[name].partition(":")
    command = getattr(import_module(module), attribute)
    assert isinstance(command, click.Command)
    return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="falkit", prog_name="falkit")
def falkit() -> None:
    """The offline stand-in for fal.ai: no network, no key, no spend."""


def main(argv: list[str] | None = None) -> None:
    """Run the command line; an error is one line on stderr and exit code 2."""
    # What is imported stays; to look through it again and again is a tenth of a start.
    gc.set_threshold(100_000)
    # httpx imports rich and Pygments, where they are, for a command of its own: 50 ms.
    sys.modules.setdefault("httpx._main", cast("ModuleType", None))
    _open_streams()
    try:
        falkit.main(argv, prog_name="falkit", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        click.echo(f"falkit: {_message(error)}", err=True)
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except OSError as error:
        if error.errno not in _OUTPUT_LOST:
            raise
        # Whoever read it has gone, or its disk is full; at its end Python would try once more.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        if error.errno != errno.EPIPE:
            click.echo(f"falkit: can't write the output ({error.strerror})", err=True)
        sys.exit(1)


_OUTPUT_LOST = (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF)


def _open_streams() -> None:
    """Have somewhere to write where the shell has closed a stream (`>&-`)."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115


def _message(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        name = error.option_name
        if new := new_name(name, _options_of(error.ctx.command)):
            old = "--format json" if name == "--format" else name
            return f"{old} is now called {new}"
        if error.ctx.command.name == "run" and name in _options_of(_command("serve")):
            return f"{name} is an option of falkit serve; falkit run has none of this name"
        if (here := _ELSEWHERE.get(name)) in _options_of(error.ctx.command):
            return f"{name} is called {here} by falkit {error.ctx.command.name}"
    # Words of the command line, and names in documents, may be anything.
    return re.sub(
        r"[^\n]", lambda one: one[0] if one[0].isprintable() else " ", error.format_message()
    )


def _options_of(command: click.Command) -> set[str]:
    return {word for param in command.params for word in param.opts}
