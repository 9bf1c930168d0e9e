"""`falkit spec add`, `diff` and `update`: a folder of documents, and what fal has changed since."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import click

from falkit_spec.catalog import Catalog
from falkit_spec.cli.options import document_options, folder_option, format_option
from falkit_spec.document import Document, is_id
from falkit_spec.drift.fetch import Fetcher, address_of
from falkit_spec.drift.folder import Folder, checked, newest, today
from falkit_spec.drift.report import (
    Row,
    as_json,
    exit_code,
    plain,
    print_rows,
    reason,
    row_of,
)
from falkit_spec.errors import BadDocument, SpecError, UnknownDate
from falkit_spec.findings import FINE, NOT_LOOKED
from falkit_spec.lock import DATE, Lock, date_of
from falkit_spec.sources import FOLDER, check_places, read_sources

_PAGE = re.compile(
    r"https?://(?:www\.)?fal\.ai/models/([^?#]+?)(?:/(?:api|playground|llms\.txt))?/?"
)

_INTO = click.option(
    "--into",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="The folder.  [default: what --documents, FALKIT_DOCUMENTS or falkit.toml names, if it is "
    f"one folder, else ./{FOLDER}]",
)
_FROM = click.option(
    "--from",
    "base",
    metavar="URL",
    default="",
    help="A mirror in place of fal.ai, which has {id} where the endpoint's id belongs, or takes "
    "it as ?endpoint_id=.",
)


def check_date(_ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse what is neither a month nor a day."""
    if value is not None and not DATE.fullmatch(value):
        name = str(param.name).replace("_", "-")
        fix = "is neither a month such as 2026-05 nor a day such as 2026-05-12"
        raise click.UsageError(f"{name}: {value!r} {fix}")
    return value


@click.command()
@click.argument("words", metavar="ID|FILE|URL...", nargs=-1, required=True)
@_INTO
@folder_option
@_FROM
@click.option(
    "--date",
    callback=check_date,
    metavar="DATE",
    help="When fal had them.  [default: that of a folder called by one above a FILE, else today]",
)
@click.option("--force", is_flag=True, help="Replace what is there; the old one is kept by date.")
def add(
    words: tuple[str, ...],
    into: Path | None,
    documents: tuple[str, ...],
    base: str,
    date: str | None,
    force: bool,
) -> None:
    """Put documents into a folder of your project.

    \b
    falkit spec add fal-ai/flux/dev          fetched from fal, without a key
    falkit spec add ./flux.json              copied
    falkit spec add https://example.com/x    fetched from there

    They are at FOLDER/<endpoint id>.json, byte for byte as they came; FOLDER/documents.lock
    has the digest, date and source of each. `falkit serve` and the other commands take
    ./fal-documents by themselves, another folder by --documents.

    Exits with 1 if one of them can't be used; the others are added all the same.
    """
    folder = _folder(into, documents)
    failed = added = False
    fetcher = Fetcher()
    for word in words:
        try:
            document, source = _read(fetcher, word, base, folder.root)
            done = folder.put(document, source, date or document.date, force=force)
        except (SpecError, OSError) as error:
            failed = True
            why = reason(error)
            click.echo(plain(f"falkit: {why if word in why else f'{word}: {why}'}"), err=True)
            continue
        added = True
        path = folder.path(document.endpoint_id)
        click.echo(plain(f"{path}: {done}{_own(document.endpoint_id)}"))
    _save(folder)
    if added:
        click.echo(_how_to_serve(folder.root, documents))
    sys.exit(1 if failed else 0)


@click.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@document_options
@click.option(
    "--against",
    metavar="FOLDER|FILE|DATE",
    help="Compare with these, or with those of a date.  [default: fal's of today, fetched]",
)
@_FROM
@click.option("--prose", is_flag=True, help="Also name changed descriptions, examples and order.")
@format_option
def diff(
    ids: tuple[str, ...],
    documents: tuple[str, ...],
    as_of: str | None,
    against: str | None,
    base: str,
    prose: bool,
    form: str,
) -> None:
    """Say what changed, and what of it breaks callers.

    Yours are those of --documents, else of ./fal-documents, else falkit's own.

    \b
    falkit spec diff                                 yours with fal's of today
    falkit spec diff --documents OLD --against NEW
    falkit spec diff --as-of 2026-01 --against 2026-05

    An input that takes less is breaking, as is an output that gives less or what it
    never gave. So is an input that is gone, since fal ignores it, and a default that
    became another one.

    Exits with 1 if something is breaking; else with 3 if something couldn't be compared;
    else with 0.
    """
    if as_of is not None and not DATE.fullmatch(as_of):
        raise click.UsageError(f"as-of: {as_of!r} is neither a month such as 2026-05 nor a day")
    mine = _Versions(documents, as_of or "", ids)
    only = 0
    if against is None:
        fetcher = Fetcher()

        def new(id: str) -> Document:
            return _fetched(fetcher, address_of(id, base), id)
    else:
        is_date = DATE.fullmatch(against) is not None and not os.path.exists(against)
        theirs = (
            _Versions(documents, against, ids)
            if is_date
            else _Versions([against], "", ids, "against")
        )
        mine.problems += [one for one in theirs.problems if one not in mine.problems]
        only = 0 if ids else len(theirs.found.keys() - mine.found.keys())

        def new(id: str) -> Document:
            return theirs.get(id, against)

    rows = [row_of(id, lambda id: mine.get(id, "yours"), new) for id in ids or mine.found]
    for note in mine.notes:
        click.echo(f"falkit: {note}", err=True)
    # What a named document doesn't lie in is nothing to it.
    problems = [] if ids else mine.problems
    if form == "json":
        click.echo(json.dumps(as_json(rows, problems, prose), indent=2))
    else:
        print_rows(rows, problems, prose)
        if only:
            click.echo(f"{only} more in {against} alone")
    sys.exit(exit_code(rows, problems))


@click.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_INTO
@folder_option
@_FROM
@click.option("--force", is_flag=True, help="Replace documents that were edited by hand, too.")
def update(
    ids: tuple[str, ...], into: Path | None, documents: tuple[str, ...], base: str, force: bool
) -> None:
    """Fetch documents again and show what changed.

    They come from where they came before. The old ones are kept at
    FOLDER/<their date>/<endpoint id>.json, so that --as-of can go back to them.

    Exits with 3 if one of them couldn't be fetched or compared; the others are updated.
    """
    folder = _folder(into, documents)
    if not folder.documents:
        raise click.UsageError(f"{folder.root}: holds no documents; `falkit spec add ID` adds one")
    rows = [
        row_of(
            id,
            lambda id: _known(folder.documents, id, str(folder.root)),
            partial(_again, Fetcher(), folder, base),
        )
        for id in ids or folder.documents
    ]
    for row in rows:
        try:
            _replace(folder, row, base, force)
        except (SpecError, OSError) as error:
            row.error = reason(error)
    _save(folder)
    print_rows(rows, folder.notes, prose=False)
    sys.exit(NOT_LOOKED if folder.notes or any(row.error for row in rows) else FINE)


class _Versions:
    """The documents of some places that were in force at a date, falkit's own behind them.

    `problems` name what couldn't be read, `notes` what was edited by hand.
    """

    def __init__(
        self, places: Sequence[str], as_of: str, ids: Sequence[str], option: str = "documents"
    ) -> None:
        try:
            check_places(places)
        except BadDocument as error:
            raise click.UsageError(f"{option}: {error}") from error
        sources = read_sources(places)
        self.problems = sources.notes
        self.found = newest(sources.documents, as_of)
        self.notes = [
            f"{one.source}: was edited since it was added (documents.lock has another digest)"
            for lock in (Lock.read(Path(place)) for place in places if os.path.isdir(place))
            for one in self.found.values()
            if lock.edited(one)
        ]
        if not places or any(id not in self.found for id in ids):
            try:
                ours = Catalog.vendored(as_of[:7] or None)
            except UnknownDate as error:
                if not places:
                    raise click.UsageError(str(error)) from error
            else:
                self.found = {**{one.id: one.document for one in ours}, **self.found}

    def get(self, id: str, name: str) -> Document:
        return _known(self.found, id, name)


def _known(found: Mapping[str, Document], id: str, where: str) -> Document:
    if id not in found:
        raise SpecError(f"there is no document of it among {where}")
    return found[id]


def _fetched(fetcher: Fetcher, url: str, expected: str = "") -> Document:
    return checked(fetcher.fetch(url), url, expected, date=today())


def _read(fetcher: Fetcher, word: str, base: str, root: Path) -> tuple[Document, str]:
    """Return the document that a word names, and its source as the lock has it."""
    page = _PAGE.fullmatch(word)
    endpoint_id = page[1] if page else word
    if page is None and word.lower().startswith(("http://", "https://")):
        return _fetched(fetcher, word), _USER.sub("//", word, count=1)
    path = Path(os.path.expanduser(word))
    if word.endswith((".json", ".yaml", ".yml")) and not os.path.exists(path):
        raise SpecError("isn't there")
    if os.path.isfile(path) or word.endswith((".json", ".yaml", ".yml")):
        return _copied(path), _relative(path, root)
    if not is_id(endpoint_id):
        what = (
            "a folder; name its files, or give it to --documents"
            if os.path.isdir(path)
            else "no file"
        )
        raise SpecError(
            f"{word}: is neither an endpoint's id such as fal-ai/flux/dev nor a URL, and {what}"
        )
    url = address_of(endpoint_id, base)
    return _fetched(fetcher, url, endpoint_id), _USER.sub("//", url, count=1)


# A name and a password don't belong into the lock.
_USER = re.compile(r"//[^/?#]*@")


def _copied(path: Path) -> Document:
    found = read_sources([path])
    if found.overlays:
        raise BadDocument(str(path), "is an overlay; put it into the folder as it is")
    if not found.documents:
        raise SpecError("; ".join(found.notes) or f"{path}: no document")
    return checked(found.documents[0].raw, str(path), date=date_of(path.resolve()) or today())


def _relative(path: Path, root: Path) -> str:
    try:
        return Path(os.path.relpath(path, root)).as_posix()
    except ValueError:
        # On another drive of Windows.
        return path.resolve().as_posix()


def _again(fetcher: Fetcher, folder: Folder, base: str, id: str) -> Document:
    """Return a document as it is today where it came from; without a known source, at fal."""
    source = _source_of(folder, base, id)
    if source.startswith(("http://", "https://")):
        return _fetched(fetcher, source, id)
    document = _copied(folder.root / source)
    if document.endpoint_id != id:
        raise BadDocument(document.source, f"is the document of {document.endpoint_id} now")
    return document


def _source_of(folder: Folder, base: str, id: str) -> str:
    """Return where a document is fetched or copied from again, as the lock has it."""
    entry = folder.lock.entries.get(id)
    return entry.source if entry and not base else address_of(id, base)


def _replace(folder: Folder, row: Row, base: str, force: bool) -> None:
    if row.error or row.old is None or row.new is None or row.old.raw == row.new.raw:
        return
    path = folder.path(row.id)
    if not row.old.date and Path(row.old.source) != path:
        raise SpecError(
            f"{row.old.source} has no date and counts before all others; move it to {path}"
        )
    if folder.lock.edited(row.old) and not force:
        raise SpecError(f"{row.old.source} was edited since it was added; --force replaces it")
    source = _USER.sub("//", _source_of(folder, base, row.id), count=1)
    row.done = folder.put(row.new, source, row.new.date, force=True)


def _folder(into: Path | None, documents: Sequence[str]) -> Folder:
    if into is None:
        one = Path(documents[0]) if len(documents) == 1 else None
        fits = (
            one is not None
            and not os.path.isfile(one)
            and one.suffix not in (".json", ".yaml", ".yml")
        )
        into = one if one is not None and fits else Path(FOLDER)
    if os.path.exists(into) and not os.path.isdir(into):
        raise click.UsageError(f"{into}: isn't a folder")
    try:
        return Folder(into)
    except SpecError as error:
        raise click.UsageError(str(error)) from error


def _save(folder: Folder) -> None:
    try:
        folder.save()
    except OSError as error:
        why = error.strerror or error
        raise click.ClickException(f"{folder.lock.path}: can't be written ({why})") from error


def _how_to_serve(root: Path, documents: Sequence[str]) -> str:
    """Return the command that uses a folder, and what makes all commands use it."""
    if str(root) == FOLDER and set(documents) <= {FOLDER}:
        # By itself, since nothing else is configured.
        return "\nfalkit serve"
    setting = f'\ndocuments = ["{root.as_posix()}"] in falkit.toml is for every command'
    return f"\nfalkit serve --documents {root}{'' if str(root) in documents else setting}"


def _own(endpoint_id: str) -> str:
    ours = Catalog.vendored().endpoints.get(endpoint_id)
    if ours is None:
        return ""
    return f"; it counts in place of falkit's own of {ours.document.date}"
