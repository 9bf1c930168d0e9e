"""Write docs/conform-peers.md: what other stand-ins for fal pass of `falkit conform`.

They are started as `make bench` starts them; `make conform-peers` installs them.
"""

from __future__ import annotations

import datetime
import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.servers import ENDPOINT, HERE, SERVE, Unavailable, aimock, prism, served

from falkit_contract.conform.checks import all_checks
from falkit_contract.conform.receiving import Receiver
from falkit_contract.conform.running import Verdict, run, set_up
from falkit_contract.conform.target import Target
from falkit_spec import Catalog

PAGE = Path(__file__).parents[1] / "docs" / "conform-peers.md"
# Seconds for a webhook that may never come.
_PATIENCE = 2.0
_MARKS = {"passed": "yes", "failed": "**no**", "not applicable": "-", "could not look": "?"}
_INTRO = """\
# What other stand-ins pass

`make conform-peers` writes this page: what [`falkit conform`](conform.md) says of
{names}, on {date}, with jobs of
`{endpoint}`. falkit ran with `--timing polls`. aimock is addressed at `/fal`
by its header `x-fal-target-host`, and has one answer for the endpoint; Prism has the endpoint's
document, and is addressed at its root. Neither says that it is all of fal: what isn't there is as
much a "no" as what is wrong.

Where it says -, there is nothing to look at; where ?, what the check needs first isn't there,
such as a job.

"""
# What differs from run to run.
_PASSING = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?<=127\.0\.0\.1):\d+")


def versions() -> Mapping[str, str]:
    """Return the peers' names with their versions."""
    found = json.loads((HERE / "peers" / "package.json").read_text())["dependencies"]
    return {
        "aimock": f"aimock {found['@copilotkit/aimock']}",
        "Prism": f"Prism {found['@stoplight/prism-cli']}",
    }


def table(columns: Mapping[str, Sequence[Verdict]]) -> str:
    """Return the table, and what each server gets wrong."""
    names = [*columns]
    lines = [f"| check | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for said, mark in _MARKS.items():
        counts = [str(sum(one.said == said for one in found)) for found in columns.values()]
        lines.append(f"| {said}: {mark} | {' | '.join(counts)} |")
    for number, id in enumerate(all_checks()):
        marks = [_MARKS[found[number].said] for found in columns.values()]
        lines.append(f"| `{id}` | {' | '.join(marks)} |")
    for name, found in columns.items():
        wrong = [one for one in found if one.said == "failed"]
        if not wrong:
            continue
        lines += ["", f"## {name}", "", "| check | expected | got |", "|---|---|---|"]
        lines += [
            f"| `{one.check.id}` | {_cell(one.expected)} | {_cell(one.got)} |" for one in wrong
        ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    text = _PASSING.sub(lambda one: "" if one[0][0] == ":" else "{id}", text)
    text = text if len(text) <= 140 else f"{text[:140]}…"
    return "`` " + text.replace("|", "\\|").replace("``", "''") + " ``"


def main() -> None:
    """Try them all, and write the page."""
    named = versions()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        endpoint = Catalog.vendored().get(ENDPOINT)
        document = folder / "document.json"
        document.write_bytes(endpoint.document.raw)
        receiver = Receiver()
        stack.callback(receiver.close)
        own = ["polls" if word == "instant" else word for word in SERVE]
        try:
            fake = stack.enter_context(aimock(folder))
            targets = {
                "falkit": Target(stack.enter_context(served(own)).url),
                named["aimock"]: Target(
                    f"{fake.url}/fal", "root", headers={"x-fal-target-host": "{host}"}
                ),
                named["Prism"]: Target(stack.enter_context(prism(document)).url, "root"),
            }
        except Unavailable as error:
            sys.exit(f"conform_peers: {error}")
        found = {
            name: [
                *run(
                    all_checks().values(),
                    set_up(target, endpoint, webhook_timeout=_PATIENCE, receiver=receiver),
                )
            ]
            for name, target in targets.items()
        }
    date = datetime.datetime.now(datetime.UTC).date()
    names = " and ".join(named.values())
    PAGE.write_text(_INTRO.format(names=names, date=date, endpoint=ENDPOINT) + table(found))
    print(f"written: {PAGE}")


if __name__ == "__main__":
    main()
