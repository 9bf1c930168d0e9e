"""What stands under the GPL in an installed distribution, by all that its wheel says and holds.

What a wheel says of its licence is often that of its own code alone, so the licences of the
libraries that it brings, and their names, are looked at too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import PurePath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# Licences by name: "GPLv2", "GPL-3.0-only", "AGPL", "GNU General Public License". `LGPL` is none.
_GPL = re.compile(r"\bA?GPL|GNU (Affero )?General Public", re.IGNORECASE)
_LGPL = re.compile(r"\bLGPL|GNU (Lesser|Library) General Public", re.IGNORECASE)
# Such as GCC's run-time libraries: the exception lets anything be linked with them.
_EXCEPTION = re.compile(r"\bwith\b.*exception", re.IGNORECASE)
# A line of a bundled file that names a licence, and the title of a licence's own text.
_DECLARED = re.compile(
    r"^\W*(?:SPDX-License-Identifier|Licen[cs]e(?: for [^:]*)?)\s*:\s*(.+)$",
    re.IGNORECASE | re.MULTILINE,
)
_TITLE = re.compile(r"^\s*GNU (AFFERO )?GENERAL PUBLIC LICENSE\s*$", re.MULTILINE)
# The LGPL's text refers to the GPL's, which is often laid beside it, as is the exception's.
_MILDER = re.compile(r"^\s*(GNU LESSER GENERAL PUBLIC LICENSE|GCC RUNTIME LIBRARY EXCEPTION)", re.M)
_LICENCE_FILE = re.compile(r"licen[cs]e|copying|notice", re.IGNORECASE)
_BINARY = re.compile(r"\.(so|dylib|dll|pyd)(\.|$)")
# GPL or AGPL libraries that wheels of media, documents and data are known to bring.
GPL_LIBRARIES = {
    "bfd",
    "cdio",
    "davs2",
    "dvdcss",
    "dvdread",
    "fftw3",
    "fftw3f",
    "frei0r",
    "gdbm",
    "gs",
    "gsl",
    "imagequant",
    "mupdf",
    "mysqlclient",
    "opcodes",
    "poppler",
    "postproc",
    "readline",
    "rubberband",
    "smbclient",
    "vidstab",
    "x264",
    "x265",
    "xavs",
    "xavs2",
    "xvidcore",
}


def closure(requirements: Iterable[str]) -> dict[str, Distribution]:
    """Return all that the requirements bring on this system, by canonical name.

    Raises importlib.metadata.PackageNotFoundError for one that is not installed.
    """
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(line, frozenset[str]()) for line in requirements]
    while waiting:
        line, extras = waiting.pop()
        needed = Requirement(line)
        if needed.marker and not any(
            needed.marker.evaluate({"extra": extra}) for extra in extras | {""}
        ):
            continue
        key = (canonicalize_name(needed.name), frozenset(needed.extras))
        if key not in seen:
            seen.add(key)
            found[key[0]] = distribution(needed.name)
            waiting += [(line, key[1]) for line in found[key[0]].requires or []]
    return found


def problems(dist: Distribution) -> list[str]:
    """Say what of a distribution is GPL or AGPL, or LGPL and no file of its own."""
    stated = list(_stated(dist))
    texts = {str(path): path.read_text("utf-8") for path in dist.files or [] if _is_licence(path)}
    found = [f"says {line!r}" for line in stated if is_gpl(line)]
    if not stated and not texts:
        found.append("says no licence")
    declared = [line for text in texts.values() for line in _DECLARED.findall(text)]
    found += [f"bundles {line!r}" for line in declared if is_gpl(line)]
    found += [f"bundles the GPL's text: {name}" for name, text in texts.items() if _is_text(text)]
    binaries = [path for path in dist.files or [] if _BINARY.search(path.name)]
    names = {library(path.name): path for path in binaries}
    found += [f"holds {names[name]}" for name in sorted(GPL_LIBRARIES & names.keys())]
    mild = [line for line in [*stated, *declared] if _LGPL.search(line)]
    if mild and binaries and not any(_is_shared(path) for path in binaries):
        found.append(f"says {mild[0]!r}, and holds no shared library apart")
    return found


def is_gpl(licence: str) -> bool:
    """Whether a licence, or every choice in an expression of several, is the GPL or AGPL."""
    while inner := re.search(r"\(([^()]* (?:OR|AND) [^()]*)\)", licence):
        value = "GPL" if is_gpl(inner[1]) else "other"
        licence = licence[: inner.start()] + value + licence[inner.end() :]
    return all(
        any(_GPL.search(term) and not _EXCEPTION.search(term) for term in choice.split(" AND "))
        for choice in licence.split(" OR ")
    )


def library(name: str) -> str:
    """Return a shared library's bare name: `x265` for `libx265-4883ecb5.so.217`."""
    return re.split(r"[-.]", name.removeprefix("lib"))[0]


def _stated(dist: Distribution) -> Iterator[str]:
    metadata = dist.metadata
    for key in ("License-Expression", "License"):
        # A few give the licence's whole text in place of its name.
        yield from (value.splitlines()[0] for value in metadata.get_all(key) or [] if value.strip())
    for classifier in metadata.get_all("Classifier") or []:
        if classifier.startswith("License ::"):
            yield classifier


def _is_licence(path: PurePath) -> bool:
    return bool(_LICENCE_FILE.search(path.name)) and path.suffix not in {".py", ".pyc", ".pyi"}


def _is_text(text: str) -> bool:
    return bool(_TITLE.search(text)) and not _MILDER.search(text)


def _is_shared(path: PurePath) -> bool:
    """Whether a binary is a library of its own, which its user can replace, and no extension."""
    return path.parent.name.endswith((".libs", ".dylibs")) or path.suffix == ".dll"
