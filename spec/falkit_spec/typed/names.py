"""Names and prose in generated Python, whatever documents hold."""

from __future__ import annotations

import builtins
import keyword
import re
import textwrap
import unicodedata
from collections.abc import Iterable

# What generated modules import, or find among the builtins: no class may be called so.
IMPORTED = frozenset(
    {
        *("Any", "AsyncBound", "AsyncClient", "AsyncHandle", "Bound", "BoundOptions", "Client"),
        *("Decimal", "Handle", "Literal", "Medium", "Protocol", "Required", "Result"),
        *("RunOptions", "SubmitOptions", "TypeAlias", "TypedDict", "Unpack", "annotations"),
        *("falkit_client", "overload", *dir(builtins), *keyword.kwlist, *keyword.softkwlist),
    }
)
# What annotations consist of: a field called so would change those below it.
_IN_TYPES = frozenset(
    {
        *("Any", "Literal", "Medium", "Required", "bool", "dict", "float", "int", "list", "str"),
        *("tuple", *keyword.kwlist),
    }
)
_MOST_TEXT = 2_000


class Names:
    """Names that are given out once each."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def base(self, wanted: Iterable[str]) -> str:
        """Return the first base, or it with a number, whose classes have no name of another."""
        return self._first(wanted, ("", "Async{}", "{}Input", "{}Output"))

    def one(self, wanted: Iterable[str]) -> str:
        """Return the first name that is free, or the last with a number."""
        return self._first(wanted, ("",))

    def _first(self, wanted: Iterable[str], forms: Iterable[str]) -> str:
        candidates = list(wanted)
        first, number = candidates[0], 1
        while True:
            for name in candidates:
                all_forms = {(form or "{}").format(name) for form in forms}
                if not all_forms & self._taken:
                    self._taken |= all_forms
                    return name
            number += 1
            candidates = [f"{first}_{number}"]


def class_name(text: str, fallback: str) -> str:
    """Make a class's name of a title, as it is written where it can be one.

    >>> class_name("Image Size", ""), class_name("3D model", "Shape"), class_name("画像", "Shape")
    ('ImageSize', 'Shape3Dmodel', 'Shape')
    """
    # Python reads names in another normal form than it is given; in ASCII both are the same.
    bare = re.sub(r"\W", "", text, flags=re.ASCII).strip("_")[:80]
    if not bare or bare[0].isdigit():
        return f"{fallback}{bare}"
    return bare if not bare[0].islower() else bare[0].upper() + bare[1:]


def fits_a_class(name: str) -> bool:
    """Tell whether a class can have a field of this name, and its types keep their meaning."""
    plain = name.isidentifier() and unicodedata.normalize("NFKC", name) == name
    # Names that begin so are changed in a class, or mean something to it.
    return plain and not name.startswith("__") and name not in _IN_TYPES


def quoted(text: str) -> str:
    """Write a text as Python does, in double quotes where it has none."""
    plain = repr(text)
    return f'"{plain[1:-1]}"' if plain[0] == "'" and '"' not in plain else plain


def documented(text: str) -> list[str]:
    """Return a docstring's lines; none where there is nothing to say."""
    # Wrapped first: a line that ends in half of what was doubled would continue.
    lines = [line.replace("\\", "\\\\").replace('"""', "'''") for line in wrapped(text)]
    if not lines:
        return []
    if len(lines) > 1:
        return [f'"""{lines[0]}', *lines[1:], '"""']
    last = f'{lines[0][:-1]}\\"' if lines[0].endswith('"') else lines[0]
    return [f'"""{last}"""']


def wrapped(text: str) -> list[str]:
    """Return the lines of a prose without what can't be seen, such as marks that turn a line."""
    seen = "".join(one if one.isprintable() else " " for one in text[:_MOST_TEXT])
    return textwrap.wrap(" ".join(seen.split()), 93)
