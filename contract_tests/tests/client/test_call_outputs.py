"""What `falkit call` and `download_all` make of outputs of any shape."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from click.testing import CliRunner, Result as Ran

from falkit_client import AsyncClient, Client, Result
from falkit_client.cli import call

BASE = "http://mock.test"
FILES = f"{BASE}/v3b.fal.media/files/b/0"
PNG = "data:image/png;base64,iVBORw0KGgo="
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.4",
    "info": {"x-fal-metadata": {"endpointId": "me/any"}},
    "paths": {"/me/any": {"post": {}}},
}
SEVERAL = {
    "images": [{"url": f"{FILES}/a.png"}, {"url": f"{FILES}/A.png"}, {"url": PNG}],
    "mesh": {"glb": {"url": f"{FILES}/x", "content_type": "model/gltf-binary"}},
    "evil": {"url": f"{FILES}/e", "file_name": "../../.bashrc"},
}


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET", "FALKIT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "any.json").write_text(json.dumps(DOCUMENT))


def ran(respx_mock: respx.MockRouter, output: object, *words: str) -> Ran:
    """Call an endpoint whose job is done at once, with this output."""
    queue = f"{BASE}/queue.fal.run/me/any"
    respx_mock.post(url__startswith=queue).respond(json={"request_id": "r1"})
    status = respx_mock.get(url__startswith=f"{queue}/requests/r1/status")
    status.respond(json={"status": "COMPLETED"})
    respx_mock.get(f"{queue}/requests/r1").respond(json=output)
    respx_mock.get(url__startswith=FILES).mock(side_effect=named)
    command = ["me/any", *words, "--base-url", BASE, "--documents", "any.json"]
    return CliRunner().invoke(call, command)


def named(request: httpx.Request) -> httpx.Response:
    """A file that holds its own name."""
    return httpx.Response(200, content=request.url.path.rpartition("/")[2].encode())


def test_all_files_go_into_a_folder_under_names_of_their_own(
    respx_mock: respx.MockRouter, tmp_path: Path
) -> None:
    result = ran(respx_mock, SEVERAL, "--out", "out/new/")
    assert result.exit_code == 0, result.output
    folder = tmp_path / "out" / "new"
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert found == {
        "a.png": b"a.png",
        "A-2.png": b"A.png",
        "images.png": b"\x89PNG\r\n\x1a\n",
        "x.glb": b"x",
        "bashrc": b"e",
    }
    assert result.stdout.splitlines()[0] == str(Path("out/new/a.png"))
    assert len(result.stdout.splitlines()) == 5
    assert not (tmp_path.parent / ".bashrc").exists()


def test_nothing_in_a_folder_is_replaced(respx_mock: respx.MockRouter, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"mine")
    output = {"image": {"url": f"{FILES}/a.png"}}
    assert ran(respx_mock, output, "--out", ".").stdout == "a-2.png\n"
    assert (tmp_path / "a.png").read_bytes() == b"mine"
    assert (tmp_path / "a-2.png").read_bytes() == b"a.png"


def test_files_after_the_first_get_numbers(respx_mock: respx.MockRouter, tmp_path: Path) -> None:
    output = {"images": [{"url": f"{FILES}/{name}"} for name in ("a.png", "b.png", "c.webp")]}
    result = ran(respx_mock, output, "--out", "rain.png", "--json")
    told = json.loads(result.stdout)
    assert [one["path"] for one in told["files"]] == ["rain.png", "rain-2.png", "rain.webp"]
    assert told["saved"] == told["files"][0]
    assert (tmp_path / "rain-2.png").read_bytes() == b"b.png"


@pytest.mark.parametrize(
    ("output", "stdout"),
    [
        ({"text": "Once upon a time", "usage": {"tokens": 4}}, "Once upon a time\n"),
        ({"output": "zwölf"}, "zwölf\n"),
        ({"scores": [1, 2]}, '{\n  "scores": [\n    1,\n    2\n  ]\n}\n'),
        ({}, "{}\n"),
        ({"image": {"url": PNG}}, "data:image/png;base64,… (12 characters; --out saves it)\n"),
        ({"text": "x", "audio": {"url": f"{FILES}/a.wav"}}, f"{FILES}/a.wav\n"),
    ],
)
def test_an_output_is_printed_as_what_it_is(
    respx_mock: respx.MockRouter, output: object, stdout: str
) -> None:
    result = ran(respx_mock, output, 'prompt:="Rain"')
    assert (result.exit_code, result.stdout) == (0, stdout)


def test_a_text_that_cannot_be_saved_is_printed_all_the_same(respx_mock: respx.MockRouter) -> None:
    result = ran(respx_mock, {"text": "Once"}, "--out", "x.txt")
    assert (result.exit_code, result.stdout) == (1, "Once\n")
    assert "--out: the output of me/any names no file; nothing was saved" in result.stderr


@pytest.mark.parametrize("place", ["absent/clip.mp4", "any.json/", "any.json/clip.mp4"])
def test_a_place_that_cannot_be_written_to_is_named_before_the_call(
    respx_mock: respx.MockRouter, place: str
) -> None:
    result = CliRunner().invoke(
        call, ["me/any", "--out", place, "--base-url", BASE, "--documents", "any.json"]
    )
    assert result.exit_code == 2
    assert "isn't a folder that can be written to" in result.stderr
    assert not respx_mock.calls


def test_both_clients_save_all_files(tmp_path: Path) -> None:
    result: Result[Any] = Result(SEVERAL, "me/any", "r1")
    transport = httpx.MockTransport(named)
    with Client("id:secret", transport=transport) as client:
        first = client.download_all(result, tmp_path / "one.png")
        with pytest.raises(ValueError, match="names none"):
            client.download_all(Result({"text": "x"}, "me/any", "r1"), tmp_path)

    async def later() -> list[str]:
        async with AsyncClient("id:secret", transport=transport) as client:
            saved = await client.download_all(result, f"{tmp_path}/later/")
            return [one.path.name for one in saved]

    assert [one.path.name for one in first] == [
        "one.png", "one-2.png", "one-3.png", "one.glb", "one-4.png"
    ]  # fmt: skip
    assert asyncio.run(later()) == ["a.png", "A-2.png", "images.png", "x.glb", "bashrc"]
