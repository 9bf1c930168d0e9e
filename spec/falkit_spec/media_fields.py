"""Which fields of a document take files, and of which kind.

No document says which of its texts are files. Their names and shapes do, by the rules that
docs/media.md has in words; an overlay's `inputs` corrects them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from falkit_spec.errors import BadOverlay
from falkit_spec.media import (
    KINDS,
    MediaInput,
    MediaKind,
    Place,
    Step,
    from_facts,
    steps_of,
    written,
)
from falkit_spec.schema import ordered, resolve
from falkit_spec.types import JSON, Object, is_array, is_finite, is_number, is_object

_BOUNDS = tuple(
    f"{end}_{of}" for of in ("width", "height", "aspect_ratio", "fps") for end in ("min", "max")
)
# What documents have under `x-fal`.
_LIMITS = {*_BOUNDS, "max_file_size", "min_duration", "max_duration", "timeout"}


class InputFiles:
    """The fields of an endpoint's input that take files; found once."""

    def __init__(self, schema: Object, facts: JSON, where: str) -> None:
        """Take an input's schema and an overlay's `inputs`; BadOverlay if it isn't understood."""
        if not is_object(facts):
            raise BadOverlay(where, "`inputs` is an object, by field")
        found, order = files_of(schema), [*ordered(schema)]
        tops = {name: steps_of(name)[0] for name in facts}
        names = sorted(
            facts, key=lambda n: order.index(t) if (t := tops[n]) in order else len(order)
        )
        said = {n: from_facts(n, facts[n], f"{where}.{n}", found.get(n)) for n in names}
        self.named = tuple(one for one in said.values() if one is not None)
        """Those that the overlay names, in the document's order."""
        there = {name: one for name, one in said.items() if tops[name] in order}
        self.fields = tuple(one for one in {**found, **there}.values() if one is not None)
        """All of them; the overlay's where they are in the document."""

    def of(
        self, full: Mapping[str, JSON], defaults: Object
    ) -> Iterator[tuple[MediaInput, Place, str]]:
        """Yield the files of an input whose defaults are filled in: field, place, URL.

        Those that the document itself gives as a default are left out, and those that stand
        behind the first 10,000 items of lists.
        """
        steps = iter(range(10_000))
        for wanted in self.fields:
            name = wanted.path[0]
            if name is None or (given := full.get(name)) is None:
                continue
            if name in defaults and given == defaults[name]:
                continue
            if len(wanted.path) == 1:
                # As most are.
                if isinstance(given, str) and given != wanted.default:
                    yield wanted, (name,), given
                continue
            for place, value in wanted.values(full, steps):
                if value != wanted.default:
                    yield wanted, place, value


# Words of a name that say a kind: the last one counts.
_FIRM: dict[str, MediaKind] = {
    **dict.fromkeys(("image", "img", "picture", "photo"), "image"),
    **dict.fromkeys(("video", "movie", "footage"), "video"),
    **dict.fromkeys(("audio", "sound", "music", "song", "voice", "speech", "vocal"), "audio"),
    **dict.fromkeys(("archive", "zip", "tar", "data", "dataset"), "archive"),
    **dict.fromkeys(("model", "mesh", "glb", "gltf", "obj", "fbx", "ply", "stl", "usdz"), "model"),
    **dict.fromkeys(("lora", "weight", "checkpoint", "ckpt", "safetensor", "embedding"), "weights"),
    **dict.fromkeys(("controlnet", "transformer", "adapter", "encoder", "unet", "vae"), "weights"),
    **dict.fromkeys(("document", "doc", "pdf", "text", "txt", "subtitle", "srt"), "document"),
    **dict.fromkeys(("caption", "transcript", "lyric", "csv", "json", "config"), "document"),
}
# Words that go with either; they count where none of the others is there.
_LIKELY: dict[str, MediaKind] = {
    **dict.fromkeys(("mask", "frame", "face", "portrait", "selfie", "thumbnail"), "image"),
    **dict.fromkeys(("screenshot", "sketch", "logo", "texture", "garment", "avatar"), "image"),
    "clip": "video",
    "speaker": "audio",
}
# Names that end in one of these are files though they have no `url` in them.
_ENDS = frozenset(
    ("image", "img", "picture", "photo", "video", "audio", "mask", "frame", "archive", "zip")
)
_URLS = frozenset(("url", "urls", "uri", "uris"))
# Addresses that a model calls, or reads as a page, and no files.
_NO_FILE = frozenset(
    (
        *("webhook", "callback", "hook", "api", "base", "website", "site", "web", "webpage"),
        *("page", "homepage", "redirect", "endpoint", "server", "proxy", "host", "repo", "git"),
        *("repository", "link", "profile", "youtube", "article", "feed", "login", "license"),
    )
)
# Words of a shape's name that may stand beside a kind: `VideoFile`, `ImageInput`.
_SHAPES = frozenset(("file", "input", "url"))
# Formats of texts that name no file, whatever the field is called.
_NO_FILES = ("date-time", "date", "time", "uuid", "uuid1", "uuid3", "uuid4", "uuid5", "email")
_WORDS = re.compile(r"[a-z]+|[A-Z]+(?![a-z])|[A-Z][a-z]*")


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(name)]


def _kind(words: list[str]) -> MediaKind | None:
    """Return the kind that a name says."""
    for table in (_FIRM, _LIKELY):
        for word in reversed(words):
            if kind := table.get(word) or table.get(word.removesuffix("s")):
                return kind
    return None


# A document deeper, or of more nodes or files than this, isn't looked at any further.
_DEPTH, _NODES, _FILES = 8, 5000, 200


def files_of(schema: Object) -> dict[str, MediaInput]:
    """Return the fields of an input's schema that take files, by their place in words."""
    finder = _Finder(schema)
    finder.properties(schema, (), "")
    return finder.found


_NO_LIMITS: Mapping[str, JSON] = {}


class _Above(NamedTuple):
    """What stands above a schema: names, and limits that go for all below."""

    path: tuple[Step, ...]
    name: str
    """The field, or that of the list that it is in."""
    owner: str = ""
    """The field with the object that has this one."""
    limits: Mapping[str, JSON] = _NO_LIMITS
    ui: JSON = None
    or_file: bool = False
    """Whether an object with a URL may stand in the same place."""


class _Finder:
    def __init__(self, root: Object) -> None:
        self.root = root
        self.found: dict[str, MediaInput] = {}
        self._nodes = 0

    def properties(self, schema: Object, path: tuple[Step, ...], owner: str) -> None:
        for name, node in ordered(schema).items():
            self.field(node, _Above((*path, name), name, owner))

    def field(self, node: JSON, above: _Above) -> None:
        """Look at what may stand in one place: a text, an object, a list, or a union of them."""
        self._nodes += 1
        if self._nodes > _NODES or len(above.path) > _DEPTH or len(self.found) >= _FILES:
            return
        schema = resolve(node, self.root)
        parts = [resolve(part, self.root) for part in branches(schema)] or [schema]
        limits, ui = above.limits, above.ui or schema.get("_fal_ui_field")
        for one in (schema, *parts):
            said = one.get("x-fal")
            limits = {**limits, **said} if is_object(said) else limits
        or_file = any("url" in ordered(part) for part in parts)
        within = above._replace(limits=limits, ui=ui, or_file=or_file)
        if any(part.get("type") == "string" for part in parts):
            self._text(schema, parts, within)
        for raw, part in zip(branches(schema) or [node], parts, strict=True):
            if part.get("type") == "array" or "items" in part or "prefixItems" in part:
                self._items(part, within)
            elif is_object(part.get("properties")):
                self.properties(part, above.path, f"{_shape(raw)}_{above.name}")
            elif is_object(part.get("additionalProperties")):
                inner = within._replace(path=(*above.path, None))
                self.field(part["additionalProperties"], inner)

    def _items(self, schema: Object, above: _Above) -> None:
        listed = schema.get("prefixItems")
        for node in [schema.get("items"), *(listed if is_array(listed) else ())]:
            self.field(node, above._replace(path=(*above.path, None)))

    def _text(self, schema: Object, parts: list[Object], above: _Above) -> None:
        if any("enum" in one or "const" in one for one in (schema, *parts)):
            return
        if all(part.get("format") in _NO_FILES for part in parts if part.get("type") == "string"):
            return
        kind = _kind_of(above, schema, parts)
        place = written(above.path)
        if kind is None or place in self.found:
            return
        numbers = {
            name: value
            for name, value in above.limits.items()
            if is_number(value) and is_finite(value) and value >= 0
        }
        size = numbers.get("max_file_size")
        self.found[place] = MediaInput(
            field=place,
            kind=kind,
            path=above.path,
            max_bytes=None if size is None else int(size),
            min_seconds=numbers.get("min_duration"),
            max_seconds=numbers.get("max_duration"),
            timeout=numbers.get("timeout"),
            bounds={name: numbers[name] for name in _BOUNDS if name in numbers},
            default=schema.get("default"),
        )


def _shape(node: JSON) -> str:
    """Return the name of the shape that is referred to, if it says no more than a kind of file."""
    while is_object(node):
        parts, ref = node.get("allOf"), node.get("$ref")
        if isinstance(ref, str):
            name = ref.rpartition("/")[2]
            kinds = {_kind([word]) for word in _words(name) if word not in _SHAPES}
            return name if len(kinds) == 1 and None not in kinds else ""
        node = parts[0] if is_array(parts) and parts else None
    return ""


def branches(schema: Object) -> list[JSON]:
    """Return a union's branches, whichever way it is written."""
    kinds = schema.get("type")
    if is_array(kinds):
        return [{**schema, "type": kind} for kind in kinds]
    found: list[JSON] = []
    for keyword in ("anyOf", "oneOf"):
        listed = schema.get(keyword)
        found += listed if is_array(listed) else []
    return found


def _kind_of(above: _Above, schema: Object, parts: list[Object]) -> MediaKind | None:
    """Return the kind of file that a text is by its name and shape; None if it is none."""
    words, owner = _words(above.name), _words(above.owner)
    last = words[-1] if words else ""
    for kind in KINDS:
        if above.ui == kind:
            return _kind(words) or kind
    if last in _URLS:
        if words[-2:-1] == ["data"] and last.startswith("uri"):
            # A data URI, and no data that are fetched.
            words = words[:-1]
        return _kind_of_url(words[:-1], [word for word in owner if word not in _URLS])
    if last == "path":
        return "weights" if _kind(words[:-1] or owner) == "weights" else None
    ends = above.or_file or last.removesuffix("s") in _ENDS or last in ("file", "files")
    if not above.limits.keys() & _LIMITS and not (ends and _looks_like_urls([schema, *parts])):
        return None
    return _kind(words) or "file"


def _kind_of_url(words: list[str], owner: list[str]) -> MediaKind | None:
    words = words or owner
    said = _kind(words)
    if words[-1:] and (words[-1] in _NO_FILE or (said is None and not _NO_FILE.isdisjoint(words))):
        return None
    return said or _kind(owner) or "file"


def _looks_like_urls(schemas: list[Object]) -> bool:
    """Tell whether what a document shows of a text are URLs; so they are where it shows none."""
    shown: list[JSON] = []
    for schema in schemas:
        examples = schema.get("examples")
        shown += [schema.get("default"), schema.get("example")]
        shown += examples if is_array(examples) else []
    texts = [text for text in shown if isinstance(text, str) and text]
    return all(re.match(r"https?:|data:", text) for text in texts)
