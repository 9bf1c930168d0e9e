"""Inputs as data URIs: read as urllib reads them, judged by their bytes (wire.md §6.1, §7.4)."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from hypothesis import example, given, settings, strategies as st

from falkit_fixtures import images, mp4
from falkit_fixtures.images import Kind, Other
from falkit_mock.service import data_uris
from falkit_mock.service.data_uris import is_data_uri
from serving import I2V_FAST, PROMPT, RETAKE, Mock, Serve

FORMATS = [".png", ".jpeg", ".webp", ".avif", ".heif"]


def _refusal(mock: Mock, value: str, *, endpoint: str = I2V_FAST) -> dict[str, Any]:
    field = "video_url" if endpoint == RETAKE else "image_url"
    reply = mock.run({**PROMPT, field: value}, endpoint)
    assert reply.status_code == 422, reply.text
    assert reply.headers["x-falkit-hint"].startswith(f"{field}: ")
    (fault,) = reply.json()["detail"]
    assert fault["loc"] == ["body", field]
    assert fault["url"] == f"https://docs.fal.ai/errors#{fault['type']}"
    assert fault["input"] == value
    found: dict[str, Any] = fault
    return found


@pytest.mark.parametrize("kind", images.KINDS)
@pytest.mark.parametrize("label", [None, "image/gif", "text/plain", ""])
def test_every_format_that_the_model_takes_is_taken_under_any_label(
    mock: Mock, kind: Kind, label: str | None
) -> None:
    value = images.data_uri(kind, label)
    assert mock.run({**PROMPT, "image_url": value}, I2V_FAST).status_code == 200


@pytest.mark.parametrize("other", ["gif", "bmp", "tiff"])
@pytest.mark.parametrize("label", [None, "image/png"])
def test_a_sound_picture_of_another_format_is_unsupported(
    mock: Mock, other: Other, label: str | None
) -> None:
    fault = _refusal(mock, images.data_uri(other, label))
    assert fault["type"] == "unsupported_image_format"
    assert fault["ctx"] == {"supported_formats": FORMATS}


@pytest.mark.parametrize(
    "other", ["svg", "text", "json", "mp4", "empty", "truncated-png", "broken-png"]
)
def test_data_that_does_not_load_as_a_picture_is_a_load_error(mock: Mock, other: Other) -> None:
    fault = _refusal(mock, images.data_uri(other, "image/png"))
    assert fault["type"] == "image_load_error"
    assert "ctx" not in fault


def test_a_decompression_bomb_is_too_large(mock: Mock) -> None:
    fault = _refusal(mock, images.data_uri("huge-png"))
    assert fault["type"] == "image_too_large"
    assert list(fault["ctx"]) == ["max_height", "max_width"]


def test_a_file_above_the_documents_limit_is_too_large(mock: Mock) -> None:
    most = 10 * 1024 * 1024
    data = images.sample("png") + bytes(most)
    fault = _refusal(mock, f"data:image/png;base64,{base64.b64encode(data).decode()}")
    assert (fault["type"], fault["ctx"]) == ("file_too_large", {"max_size": most})


# A byte more, so that base64 is padded.
PNG = images.sample("png") + b"\n"
TEXT = base64.b64encode(PNG).decode()
LINES = base64.encodebytes(PNG).decode()
HEAD = "data:image/png;base64,"
OCTETS = "".join(f"%{byte:02X}" for byte in PNG)
WRITINGS = {
    "plain": HEAD + TEXT,
    "in lines": HEAD + LINES,
    "in lines, CRLF": HEAD + LINES.replace("\n", "\r\n"),
    "in lines, percent-encoded": HEAD + quote(LINES),
    "tabs between": HEAD + "\t".join(TEXT),
    "a space after the comma": f"{HEAD} {TEXT}",
    "a line's end after the comma": f"{HEAD}\n{TEXT}",
    "white space before": f" \n\t{HEAD}{TEXT}",
    "white space behind": f"{HEAD}{TEXT} \r\n",
    "+, / and = percent-encoded": HEAD + quote(TEXT, safe=""),
    "every character percent-encoded": HEAD + "".join(f"%{ord(letter):02x}" for letter in TEXT),
    "foreign characters between": HEAD + "-".join((TEXT[:9], TEXT[9:])).replace("A", "_A!"),
    "letters that aren't ASCII between": HEAD + TEXT[:8] + "é" + TEXT[8:],
    "capitals of the scheme": f"DATA:image/png;base64,{TEXT}",
    "capitals of the type": f"data:IMAGE/PNG;base64,{TEXT}",
    "capitals of base64": f"data:image/png;BASE64,{TEXT}",
    "no type": f"data:;base64,{TEXT}",
    "no type and no base64": f"data:,{OCTETS}",
    "percent-encoded octets": f"data:image/png,{OCTETS}",
    "another type": f"data:text/plain;base64,{TEXT}",
    "a type that isn't one": f"data:picture;base64,{TEXT}",
    "parameters of the type": f"data:image/png;name=a.png;charset=x;base64,{TEXT}",
    "a space before base64": f"data:image/png; base64,{TEXT}",
    "a space after base64": f"data:image/png;base64 ,{TEXT}",
    "base64 twice": f"data:image/png;base64;base64,{TEXT}",
    "base64url's alphabet": HEAD + base64.urlsafe_b64encode(PNG).decode(),
    "the padding left out": HEAD + TEXT.rstrip("="),
    "more behind the padding": f"{HEAD}{TEXT}AAAA",
    "a fragment behind the padding": f"{HEAD}{TEXT}#AAAA",
    "cut short": HEAD + TEXT[: len(TEXT) // 2 + 1],
    "foreign characters only": f"{HEAD}@@@@",
    "nothing behind the comma": HEAD,
    "no comma": f"data:image/png;base64{TEXT}",
    "nothing": "data:",
    "a scheme before it": f"URL:{HEAD}{TEXT}",
    "in angle brackets": f"<{HEAD}{TEXT}>",
}


def _by_urllib(value: str) -> bytes | str:
    """Return what urllib reads, or the name of its error."""
    try:
        with urlopen(value) as response:
            data: bytes = response.read()
            return data
    except Exception as error:
        return type(error).__name__


@pytest.mark.parametrize("writing", WRITINGS)
def test_a_data_uri_is_read_as_urllib_reads_it(mock: Mock, writing: str) -> None:
    value, read = WRITINGS[writing], _by_urllib(WRITINGS[writing])
    if not is_data_uri(value) or isinstance(read, str):
        assert _refusal(mock, value)["type"] == "file_download_error"
    elif not read.startswith(PNG):
        assert _refusal(mock, value)["type"] == "image_load_error"
    else:
        assert mock.run({**PROMPT, "image_url": value}, I2V_FAST).status_code == 200


def test_the_writings_that_are_read_are_many() -> None:
    read = {name: _by_urllib(value) for name, value in WRITINGS.items()}
    refused = [name for name, data in read.items() if data != PNG]
    assert refused == [
        *("capitals of base64", "a space before base64", "a space after base64"),
        *("base64url's alphabet", "the padding left out", "cut short", "foreign characters only"),
        *("nothing behind the comma", "no comma", "nothing"),
    ]


PARTS = st.sampled_from(
    ["data:", "DATA:", ";base64", ",", "%2B", "%", "=", "QUJD", " ", "\n", "#", "\0"]
)


@settings(deadline=None)
@given(
    at_once=st.integers(4, 9), rest=st.lists(PARTS | st.text(max_size=3), max_size=8).map("".join)
)
@example(4, "\ufeffdata:,x")
@example(4, "\0data:,x")
@example(4, "data://[x,y")
@example(4, "data:;base64,\ud800")
@example(4, ",abc%41%4")
def test_any_data_uri_is_read_as_urllib_reads_it(at_once: int, rest: str) -> None:
    for value in (rest, f"data:{rest}", f"data:;base64,{rest}"):
        if not is_data_uri(value):
            continue
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(data_uris, "_AT_ONCE", at_once)
            try:
                ours: bytes | None = data_uris.read_data_uri(value)
            except ValueError:
                ours = None
        theirs = _by_urllib(value)
        assert ours == (None if isinstance(theirs, str) else theirs)


def test_a_label_is_checked_where_that_is_assumed(serve: Serve) -> None:
    checked = serve("instant", assumptions=("data-uri-label=checked",))
    taken = [
        "image/png",
        "IMAGE/PNG",
        "image/webp",
        "image/jpeg;x=y",
        "",
        "application/octet-stream",
    ]
    for label in taken:
        value = f"data:{label};base64,{TEXT}"
        assert checked.run({**PROMPT, "image_url": value}, I2V_FAST).status_code == 200, label
    for label in ("picture", "image/x-none", "audio/wav", "audio/webm;codecs=opus"):
        fault = _refusal(checked, f"data:{label};base64,{TEXT}")
        assert (fault["type"], fault["msg"]) == ("file_download_error", "Unsupported data URL")


def test_a_label_that_fal_may_refuse_is_a_hint(mock: Mock) -> None:
    clip = base64.b64encode(mp4.render(mp4.Clip(1920, 1080, 25, 1, audio=True))).decode()
    reply = mock.run({**PROMPT, "video_url": f"data:audio/mp4;base64,{clip}"}, RETAKE)
    assert (
        reply.status_code,
        "refuse data URIs of audio/mp4" in reply.headers["x-falkit-hint"],
    ) == (
        200,
        True,
    )
    reply = mock.run({**PROMPT, "video_url": f"data:video/mp4;base64,{clip}"}, RETAKE)
    assert "x-falkit-hint" not in reply.headers


def test_the_queue_refuses_at_the_result(mock: Mock) -> None:
    job = mock.submit({**PROMPT, "image_url": images.data_uri("gif")}, I2V_FAST)
    assert mock.status(job)["error"] == "Invalid status code: 422"
    assert mock.result(job).json()["detail"][0]["type"] == "unsupported_image_format"


def test_a_bad_picture_is_refused_at_once_by_a_held_mock(
    serve: Serve,
) -> None:
    mock = serve("held")
    assert _refusal(mock, images.data_uri("gif"))["type"] == "unsupported_image_format"


def test_a_video_is_known_by_its_container(mock: Mock) -> None:
    clip = base64.b64encode(mp4.render(mp4.Clip(1920, 1080, 25, 1, audio=True))).decode()
    value = f"data:image/png;base64,{clip}"
    assert mock.run({**PROMPT, "video_url": value}, RETAKE).status_code == 200
    for other in ("png", "heif", "avif", "mp4", "text", "empty"):
        value = images.data_uri(other, "video/mp4")
        fault = _refusal(mock, value, endpoint=RETAKE)
        assert fault["type"] == "unsupported_video_format"
        assert ".mp4" in fault["ctx"]["supported_formats"]
