"""What kind of file an output's field is, and of which format: by names, shapes and examples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal, TypeAlias

from falkit_spec.types import JSON, is_array, is_object

Kind: TypeAlias = Literal["image", "video", "audio", "model", "weights", "archive", "document"]

# By format (an extension), its media type; the first of a kind is the one where nothing says more.
FORMATS: Mapping[Kind, Mapping[str, str]] = {
    "image": {
        "png": "image/png",
        "jpg": "image/jpeg",
        "webp": "image/webp",
        "avif": "image/avif",
        "gif": "image/gif",
        "svg": "image/svg+xml",
    },
    "video": {
        "mp4": "video/mp4",
        "webm": "video/webm",
        "mov": "video/quicktime",
        "gif": "image/gif",
    },
    "audio": {
        "wav": "audio/wav",
        "mp3": "audio/mpeg",
        "flac": "audio/flac",
        "ogg": "audio/ogg",
        "opus": "audio/ogg",
        "m4a": "audio/mp4",
        "aac": "audio/aac",
    },
    "model": {
        "glb": "model/gltf-binary",
        "gltf": "model/gltf+json",
        "obj": "model/obj",
        "mtl": "model/mtl",
        "fbx": "application/octet-stream",
        "stl": "model/stl",
        "ply": "application/octet-stream",
        "usdz": "model/vnd.usdz+zip",
    },
    "weights": {"safetensors": "application/octet-stream"},
    "archive": {"zip": "application/zip", "tar": "application/x-tar", "tgz": "application/gzip"},
    "document": {
        "json": "application/json",
        "txt": "text/plain",
        "srt": "application/x-subrip",
        "vtt": "text/vtt",
        "csv": "text/csv",
    },
}
MEDIA_TYPES = {name: media_type for of in FORMATS.values() for name, media_type in of.items()}
_KIND_OF_FORMAT: Mapping[str, Kind] = {
    name: kind for kind, of in [*FORMATS.items()][::-1] for name in of
}
# How formats are called elsewhere: in options, extensions and media types.
_ALSO = {
    "jpeg": "jpg",
    "x264": "mp4",
    "h264": "mp4",
    "h265": "mp4",
    "mpeg4": "mp4",
    "vp8": "webm",
    "vp9": "webm",
    "prores": "mov",
    "prores4444": "mov",
    "quicktime": "mov",
    "mpeg": "mp3",
    # With a header, so that all readers know its rate.
    "pcm": "wav",
    "ulaw": "wav",
    "vorbis": "ogg",
    "subrip": "srt",
    "gz": "tgz",
    "usd": "usdz",
    "text": "txt",
}
# What fields are called after: formats of the kind that the word says.
_NAMED_AFTER = {"splat": "ply", "splats": "ply", "gaussian": "ply", "lottie": "json"}


def format_in(value: JSON, kind: Kind) -> str | None:
    """Return the format that an option's value names, if the kind has it: `VP9 (.webm)`, `jpeg`."""
    return _named_format(value, kind) if isinstance(value, str) and len(value) <= 100 else None


@lru_cache(maxsize=1024)
def _named_format(value: str, kind: Kind) -> str | None:
    found: list[str] = re.findall(r"[a-z]+[0-9]*", value.lower())
    for word in ["m4a"] * ("m4a" in value.lower()) + found:
        if (name := _ALSO.get(word, word)) in FORMATS[kind]:
            return name
    return None


# Words of a name that say a kind: the last one counts.
_FIRM: dict[str, Kind] = {
    **dict.fromkeys(("image", "img", "picture", "photo", "png", "jpeg", "jpg", "webp"), "image"),
    **dict.fromkeys(
        ("mask", "thumbnail", "spritesheet", "texture", "depth", "matte", "svg"), "image"
    ),
    **dict.fromkeys(("video", "movie", "clip", "animation", "mp4", "webm", "mov"), "video"),
    **dict.fromkeys(("audio", "sound", "music", "song", "speech", "voice", "vocal"), "audio"),
    **dict.fromkeys(("drum", "bass", "guitar", "piano", "instrumental", "stem"), "audio"),
    **dict.fromkeys(("wav", "mp3", "flac", "ogg"), "audio"),
    **dict.fromkeys(("mesh", "glb", "gltf", "obj", "fbx", "ply", "stl", "usdz", "splat"), "model"),
    **dict.fromkeys(("pointcloud", "geometry", "mtl", "gaussian"), "model"),
    **dict.fromkeys(("lora", "weight", "checkpoint", "ckpt", "safetensor", "embedding"), "weights"),
    **dict.fromkeys(("archive", "zip", "tar", "dir", "folder", "dataset"), "archive"),
    **dict.fromkeys(("config", "json", "srt", "vtt", "subtitle", "csv", "txt", "log"), "document"),
    **dict.fromkeys(
        ("transcript", "caption", "metadata", "document", "pdf", "html", "lottie"), "document"
    ),
}
# These count where none of the others is there, and no example says more.
_LIKELY: dict[str, Kind] = {
    **dict.fromkeys(("frame", "preview", "background", "foreground", "map", "layer"), "image"),
    **dict.fromkeys(("render", "portrait", "sprite", "cover", "pose", "normal", "albedo"), "image"),
    **dict.fromkeys(("color", "roughness", "metallic", "cutout", "poster", "icon"), "image"),
    **dict.fromkeys(("visualization", "viz", "overlay", "sticker", "logo", "sketch"), "image"),
    **dict.fromkeys(("avatar", "lipsync"), "video"),
    **dict.fromkeys(("other", "track", "accompaniment"), "audio"),
    **dict.fromkeys(("model", "cloud", "rig", "character"), "model"),
}
# A text of such a name is a file's URL: `image`, `combined_mask`, `model_glb`.
SURE = frozenset(
    (
        *("image", "img", "picture", "photo", "thumbnail", "mask", "png", "jpg", "jpeg", "webp"),
        *("video", "movie", "mp4", "webm", "mov", "audio", "wav", "mp3", "flac", "ogg"),
        *("glb", "gltf", "fbx", "ply", "stl", "usdz", "safetensors", "zip", "tar", "archive"),
    )
)
_WORDS = re.compile(r"[a-z0-9]+|[A-Z]+(?![a-z0-9])|[A-Z][a-z0-9]*")


def words(name: str) -> list[str]:
    """Return a name's words in lower case: `maskUrl` and `mask_url` have the same."""
    return [word.lower() for word in _WORDS.findall(name)]


def words_of(names: Sequence[str]) -> list[str]:
    """Return the words of the innermost of some names, which comes first; none of no names."""
    return words(names[0]) if names else []


def _said(name: str, table: Mapping[str, Kind]) -> Kind | None:
    for word in reversed(words(name)):
        if kind := table.get(word) or table.get(word.removesuffix("s")):
            return kind
    return None


def kind_of_file(
    names: Iterable[str],
    example: str,
    makes: Kind,
    *,
    fields: Iterable[str] = (),
    described: str = "",
) -> Kind:
    """Return the kind of a file by its field, or those that it is in; else by what is made.

    `names` has the innermost first, `example` is a file name or URL that the document shows,
    `fields` are those of the file's object, and `described` is what the document says of it.
    """
    told = frozenset(fields)
    if told & {"fps", "num_frames", "frame_count"}:
        return "video"
    shown = _KIND_OF_FORMAT.get(extension(example) or "")
    for place, name in enumerate(names):
        if kind := _said(name, _FIRM):
            return kind
        if place == 0 and shown:
            return shown
        if kind := _said(name, _LIKELY):
            return kind
    if shown:
        return shown
    if told & {"sample_rate", "channels"}:
        return "audio"
    said = format_described(described)
    return _KIND_OF_FORMAT[said] if said else makes


def format_described(text: str) -> str | None:
    """Return the one format that a description names; None where it names none, or several."""
    found = set(re.findall(r"[a-z0-9]+", text[:500].lower().replace("jpeg", "jpg")))
    known = [name for name in found if name in _KIND_OF_FORMAT]
    return known[0] if len(known) == 1 else None


def format_of_name(name: str, kind: Kind) -> str | None:
    """Return the format that a field's name says: `model_glb`, `frames_zip`."""
    for word in reversed(words(name)):
        if (found := _NAMED_AFTER.get(word, word)) in FORMATS[kind]:
            return found
    return None


def extension(name: str) -> str | None:
    """Return the format by a file name's or URL's extension, as falkit calls it."""
    end = re.search(r"\.([A-Za-z0-9]{2,12})(?:[?#].*)?$", name)
    if end is None:
        return None
    found = end[1].lower()
    return _ALSO.get(found, found)


def example_in(value: JSON) -> str:
    """Return the first file name or URL in an example, the name first; empty where none is."""
    match value:
        case str():
            return value if "/" in value or "." in value else ""
        case dict():
            for key in ("file_name", "url"):
                if isinstance(found := value.get(key), str):
                    return found
            return next((found for part in value.values() if (found := example_in(part))), "")
        case list():
            return next((found for part in value if (found := example_in(part))), "")
        case _:
            return ""


def file_in(value: JSON) -> Mapping[str, JSON]:
    """Return the first object with a URL in an example; empty where none is."""
    if is_object(value):
        if isinstance(value.get("url"), str):
            return value
        value = [*value.values()]
    if is_array(value):
        for part in value:
            if found := file_in(part):
                return found
    return {}


# What an endpoint makes by the words of its id, the most telling first.
_BY_WORD: Mapping[str, tuple[str, ...]] = {
    "transcript": ("whisper", "wizper", "transcribe", "transcription", "asr", "stt", "diarization"),
    "text": ("llm", "vlm", "chat", "completions", "caption", "captioning", "ocr", "moderation"),
    "speech": ("tts", "speech", "voice"),
    "audio": ("music", "audio", "sound", "sfx", "song"),
    "3d": ("3d", "mesh", "glb"),
    "video": ("video", "lipsync", "avatar", "animate", "i2v", "t2v", "v2v"),
    "image": ("image", "images", "photo", "inpaint", "inpainting", "t2i", "i2i"),
}
# And by fields of the input; of the first kind that has one.
_BY_FIELD: Mapping[str, tuple[str, ...]] = {
    "text": ("messages",),
    "video": ("video_url", "video_urls", "fps", "num_frames", "frames_per_second", "duration"),
    "image": ("image_url", "image_urls", "image_size", "num_images", "mask_url", "negative_prompt"),
    "transcript": ("audio_url",),
    "audio": ("lyrics",),
    "speech": ("voice", "voice_id", "text"),
}
MADE = ("image", "video", "audio", "speech", "transcript", "text", "3d")


def kind_of(endpoint_id: str, fields: frozenset[str]) -> str:
    """Return what an endpoint probably makes: image, video, audio, speech, transcript, text, 3d."""
    name = endpoint_id.lower().partition("/")[2]
    # `image-to-video` makes a video, whatever else the id says.
    made: list[str] = re.findall(r"(?<![a-z0-9])to[-/_]([a-z0-9]+)", name)
    if made and made[-1] == "text":
        return "transcript" if re.search("speech|audio", name) else "text"
    if made and made[-1] in MADE:
        return made[-1]
    found = set(re.findall(r"[a-z0-9]+", name))
    for kind, known in _BY_WORD.items():
        if found.intersection(known):
            return kind
    for kind, known in _BY_FIELD.items():
        if fields.intersection(known):
            return kind
    return "image"


def removes_background(name: str) -> bool:
    """Tell whether an id, or a field's name, says that backgrounds are removed."""
    spelt = set(words(name))
    if "background" in spelt:
        return not spelt.isdisjoint(("remove", "removal", "remover", "removed"))
    return not spelt.isdisjoint(("rembg", "birefnet", "matting", "cutout"))


def makes_vectors(endpoint_id: str) -> bool:
    """Tell whether an endpoint by its id makes vector graphics."""
    last = endpoint_id.lower().rpartition("/")[2]
    return last.endswith("svg") or "vectorize" in words(last)


_KINDS: Mapping[str, Kind] = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "music": "audio",
    "speech": "audio",
    "3d": "model",
    "training": "weights",
    "text": "document",
    "transcript": "document",
    "json": "document",
}


def kind_made(category: str, endpoint_id: str, fields: frozenset[str]) -> Kind:
    """Return the kind of file that an endpoint makes, where no field says it."""
    last = category.rpartition("to-")[2] or category
    return _KINDS.get(last) or _KINDS[kind_of(endpoint_id, fields)]
