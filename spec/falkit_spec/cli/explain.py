"""`falkit explain`: what the code of a finding means."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path

import click

from falkit_spec.findings import FindingKind, finding_kinds


@click.command()
@click.argument("codes", metavar="[CODE...]", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(codes: tuple[str, ...], as_json: bool) -> None:
    """Say what the code of a finding means, or list all codes."""
    kinds = finding_kinds()
    for code in codes:
        if code not in kinds:
            near = get_close_matches(code, kinds, n=1)
            fix = f"did you mean {near[0]}?" if near else "`falkit explain` lists them"
            raise click.UsageError(f"CODE: there is no {code!r}; {fix}")
    chosen = [kinds[code] for code in dict.fromkeys(codes)] or [*kinds.values()]
    if as_json:
        click.echo(json.dumps([asdict(kind) for kind in chosen], indent=2))
    elif codes:
        click.echo("\n\n".join(map(_text, chosen)))
    else:
        wide = max(len(code) for code in kinds)
        for kind in chosen:
            click.echo(f"{kind.severity:<8} {kind.code:<{wide}}  {kind.title}")


def _text(kind: FindingKind) -> str:
    parts = [
        *(f"{kind.code} ({kind.severity}): {kind.title}", f"fal: {kind.fal}"),
        *(f"fix: {kind.fix}", kind.why, f"From docs/{kind.see}:"),
    ]
    lines = [_filled(part, "    ") for part in parts]
    return "\n".join([*lines, *_section(kind.see)])


def _filled(text: str, indent: str) -> str:
    return textwrap.fill(
        text,
        _WIDE,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


_WIDE = 100
_HEADING = re.compile(r"(#+) (.+)")
# How certain a fact of docs/wire.md is, and by which sources.
_SOURCES = re.compile(r" \((?:1?L|C|C-run|I|I-3p)(?:[ ,;][^()]*)?\)")
# Sources that are spoken of by their tags there.
_SHORT = {"PY": "fal-client", "JS": "@fal-ai/client", "OAS": "fal's API schemas"}
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")
_CELLS = re.compile(r"(?<!\\)\|")
_PACKAGE = Path(__file__).parents[1]


def pages() -> Path:
    """Return the folder of the pages that kinds name: within a wheel, or a clone's own."""
    within = _PACKAGE / "docs"
    return within if within.exists() else _PACKAGE.parents[1] / "docs"


def _section(see: str) -> Iterator[str]:
    """Yield the lines of a section; of a page that is named alone, those of its beginning."""
    page, sign, name = see.partition(" §")
    page, hash, anchor = page.partition("#")
    try:
        lines = (pages() / page).read_text("utf-8").splitlines()
    except OSError:
        # A copy without its docs, such as one that was put together by hand.
        return
    inside, level = not (sign or hash), 1
    chosen: list[str] = []
    for line in lines:
        if heading := _HEADING.fullmatch(line):
            depth, words = len(heading[1]), heading[2]
            if inside and (depth <= level if sign or hash else depth > 1):
                break
            slug = re.sub(r"[^\w -]", "", words.lower()).replace(" ", "-")
            if not inside and (slug == anchor if hash else words.startswith(f"§{name} ")):
                inside, level = True, depth
                continue
        if inside:
            chosen.append(line)
    yield from _plain(chosen)


def _words(text: str) -> str:
    words = _SOURCES.sub("", _LINK.sub(r"\1", text))
    return re.sub(r"\b(PY|JS|OAS)\b", lambda one: _SHORT[one[1]], words)


def _plain(lines: list[str]) -> Iterator[str]:
    """Yield Markdown as lines for a terminal: a table's rows as a list, without their sources."""
    head: list[str] = []
    paragraph = ""
    code = False
    for line in [*lines, ""]:
        code ^= line.startswith("```")
        starts = line.startswith(("* ", "- ", "|", "#", "```")) or not line.strip()
        if (starts or code) and paragraph:
            listed = paragraph.lstrip().startswith(("* ", "- "))
            yield _filled(_words(paragraph), "      " if listed else "    ")
            paragraph = ""
        if line.startswith("|"):
            cells = [cell.strip().replace("\\|", "|") for cell in _CELLS.split(line)[1:-1]]
            if not head:
                head = cells
            elif not line.startswith("|-"):
                told = [cell for name, cell in zip(head, cells, strict=False) if name != "source"]
                yield _filled(_words("    * " + ": ".join(filter(None, told))), "      ")
            continue
        head = []
        if code or line.startswith("```"):
            yield f"    {line}" if not line.startswith("```") else ""
        elif line.strip():
            words = line.lstrip("# ") if line.startswith("#") else line.strip()
            paragraph = f"{paragraph} {words}" if paragraph else f"    {words}"
