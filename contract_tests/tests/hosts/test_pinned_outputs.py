"""Outputs that rules pin: what is answered, and the user's own files in it."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from falkit import Settings, create_app
from falkit_fixtures.making import make
from falkit_fixtures.wanted import Wanted
from falkit_mock.core.settings import SettingsError
from falkit_mock.service.pins import Watch
from own_documents import EVIDENCE, answering, data_of, overlay, write
from receiver import Receiver
from serving import Mock, Serve, WatchedClock, output_in

PAINT, FILM, CHAIN, ODD = "acme/paint", "acme/film", "workflows/acme/chain", "acme/odd"
TEXT, WHOLE = {"type": "string"}, {"type": "integer"}
RULES = "/__falkit/rules"
# More than is asked, so that what is echoed elsewhere shows.
INPUT = {"prompt": "A dog", "seed": 3}


def thing(*required: str, **fields: object) -> dict[str, Any]:
    return {"type": "object", "required": [*required], "properties": fields}


PICTURE = thing(
    "url",
    "width",
    url=TEXT,
    content_type=TEXT,
    file_name=TEXT,
    file_size=WHOLE,
    width=WHOLE,
    height=WHOLE,
)
CLIP = thing(
    url=TEXT, width=WHOLE, fps={"type": "number"}, duration={"type": "number"}, num_frames=WHOLE
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with documents, and outputs beside the files that they name; one works in it."""
    fields = {"prompt": TEXT, "seed": WHOLE, "sync_mode": {"type": "boolean"}}
    drawn = thing("images", images={"type": "array", "items": PICTURE}, seed=WHOLE, prompt=TEXT)
    write(tmp_path / "fal" / "1.json", answering(data_of(PAINT, fields), drawn))
    more = {"type": "array", "items": {"anyOf": [TEXT, {"type": "null"}]}}
    filmed = thing("video", video=CLIP, audio_url=TEXT, mesh_urls=more, title=TEXT)
    write(tmp_path / "fal" / "2.json", answering(data_of(FILM), filmed))
    write(tmp_path / "fal" / "3.json", data_of(CHAIN, {"prompt": TEXT}))
    nodes = {"one": {"app": PAINT}}
    write(tmp_path / "fal" / "a.yaml", overlay(CHAIN, {"workflow": {"nodes": nodes, **EVIDENCE}}))
    write(tmp_path / "fal" / "b.yaml", overlay(PAINT, {"stream": EVIDENCE, "realtime": EVIDENCE}))
    pins = tmp_path / "pins"
    (pins / "media").mkdir(parents=True)
    Image.new("RGB", (30, 20), "orange").save(pins / "cat.png")
    Image.new("RGB", (8, 9)).save(pins / "media" / "größe 1.jpg")
    clip = Wanted("mp4", width=64, height=32, fps=25, frames=50)
    (pins / "clip.mp4").write_bytes(make(clip))
    (pins / "sound.wav").write_bytes(make(Wanted("wav", seconds=1.0)))
    write(pins / "cat.json", {"images": [{"url": "cat.png"}], "prompt": "A cat"})
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def pinned(place: Path, serve: Serve) -> Mock:
    """A mock whose pictures are one cat."""
    return serve(outputs=[f"{PAINT}=pins/cat.json"], documents=["fal"], seed=1)


def refused(*outputs: Any, **settings: Any) -> str:
    """Return what is wrong with outputs, at the start."""
    with pytest.raises(SettingsError) as error:
        create_app(Settings(outputs=outputs, documents=["fal"], **settings))
    return str(error.value)


def test_an_output_comes_back_with_urls_of_files_that_are_there(pinned: Mock, place: Path) -> None:
    reply = pinned.run(INPUT, PAINT)
    (picture,) = reply.json()["images"]
    assert reply.json() == {"images": [picture], "prompt": "A cat"}, "nothing is echoed or added"
    assert reply.headers["x-falkit-hint"] == "falkit answered a pinned output (r1: pins/cat.json)"
    data = (place / "pins" / "cat.png").read_bytes()
    assert picture == {
        "url": picture["url"],
        "content_type": "image/png",
        "file_name": "cat.png",
        "file_size": len(data),
        "width": 30,
        "height": 20,
    }
    assert picture["url"].startswith(f"{pinned.url}/v3b.fal.media/files/b/")
    whole = pinned.http.get(picture["url"])
    assert (whole.content, whole.headers["content-type"]) == (data, "image/png")
    head = pinned.http.head(picture["url"])
    assert (head.content, head.headers["content-length"]) == (b"", str(len(data)))
    part = pinned.http.get(picture["url"], headers={"range": "bytes=2-9"}).content
    assert part == data[2:10]
    assert pinned.run(INPUT, PAINT).json()["images"][0]["url"] != picture["url"]


def test_what_an_output_says_of_its_files_stays(place: Path, serve: Serve) -> None:
    said = {"url": "media/größe 1.jpg", "width": 7, "content_type": "image/x-mine", "mine": 1}
    others = [{"url": "https://example.com/a.png", "width": 1}, {"url": "data:,x", "width": 1}]
    write(place / "pins" / "cat.json", {"images": [said, *others]})
    mock = serve(outputs=[f"{PAINT}=pins/cat.json"], documents=["fal"])
    first, *rest = mock.run(INPUT, PAINT).json()["images"]
    size = (place / "pins" / "media" / "größe 1.jpg").stat().st_size
    more = {"file_name": "größe 1.jpg", "file_size": size, "height": 9}
    assert first == {**said, **more, "url": first["url"]}
    assert rest == others
    assert first["url"].endswith("_gr_e_1.jpg"), "a name that needs no escaping"
    assert mock.http.get(first["url"]).headers["content-type"] == "image/x-mine"


def test_clips_and_bare_urls_are_files_too(place: Path, serve: Serve) -> None:
    output = {
        "video": {"url": "clip.mp4"},
        "audio_url": "sound.wav",
        "mesh_urls": ["https://example.com/a.glb", None],
        "title": "clip.mp4",
    }
    write(place / "pins" / "film.json", output)
    mock = serve(outputs={FILM: "pins/film.json"}, documents=["fal"])
    made = mock.run({"prompt": "x"}, FILM).json()
    assert made["video"] == {
        "url": made["video"]["url"],
        "width": 64,
        "fps": 25,
        "duration": 2,
        "num_frames": 50,
    }
    assert {**made, "video": 0, "audio_url": 0} == {**output, "video": 0, "audio_url": 0}
    for url, name in ((made["video"]["url"], "clip.mp4"), (made["audio_url"], "sound.wav")):
        assert mock.http.get(url).content == (place / "pins" / name).read_bytes()
    assert mock.http.get(made["audio_url"]).headers["content-type"] == "audio/wav"


def test_a_folders_outputs_come_in_turn(place: Path, serve: Serve) -> None:
    for number in (10, 1, 2):
        write(place / "turn" / f"{number}.json", {"images": [], "seed": number})
    write(place / "turn" / "readme.txt", "no output")
    mock = serve(outputs=[f"{PAINT}=turn times=4"], documents=["fal"])
    seeds = [mock.run(INPUT, PAINT).json()["seed"] for _ in range(5)]
    assert seeds == [1, 2, 10, 1, 3], "and then the model's own, with the input's seed"


def test_a_folder_alone_has_outputs_at_the_places_of_their_ids(place: Path, serve: Serve) -> None:
    write(place / "all" / f"{PAINT}.json", {"images": [{"url": "../media/cat.png"}]})
    write(place / "all" / f"{FILM}.json", {"video": {"url": "https://example.com/x.mp4"}})
    (place / "pins").rename(place / "all" / "media")
    (place / "all" / "media" / "cat.json").unlink()
    mock = serve(outputs=["all"], documents=["fal"])
    (picture,) = mock.run(INPUT, PAINT).json()["images"]
    assert mock.http.get(picture["url"]).headers["content-type"] == "image/png"
    assert mock.run({"prompt": "x"}, FILM).json() == {"video": {"url": "https://example.com/x.mp4"}}
    write(place / "all" / "package.json", {})
    assert "package.json' stands for no endpoint; its place is to be as" in refused("all")


def test_rules_choose_by_the_matchers_of_faults(place: Path, serve: Serve) -> None:
    for name in ("cat", "other"):
        write(place / f"{name}.json", {"images": [], "prompt": name})
    mock = serve(
        outputs=[f'{PAINT}=cat.json prompt="(?i)cat" times=1', "acme/p*=other.json input.seed=4"],
        faults=["internal_server_error nth=2 endpoint=acme/*"],
        documents=["fal"],
    )
    asked = [("A Cat", 3), ("A cat", 4), ("A cat", 4), ("A cat", 3), ("x", 4)]
    told = [mock.run({"prompt": text, "seed": seed}, PAINT) for text, seed in asked]
    assert [reply.status_code for reply in told] == [200, 500, 200, 200, 200]
    assert [reply.json().get("prompt") for reply in told] == [
        "cat",
        None,
        "other",
        "A cat",
        "other",
    ]
    assert mock.run({"prompt": 1, "seed": 4}, PAINT).status_code == 422
    counts = [(rule["text"], rule["applied"]) for rule in mock.http.get(RULES).json()["rules"]]
    assert counts[1:] == [
        (f"output=cat.json endpoint={PAINT} times=1 prompt=(?i)cat", 1),
        ("output=other.json endpoint=acme/p* input.seed=4", 2),
    ]


def test_the_queue_its_webhook_and_a_stream_answer_it(
    pinned: Mock, receiver: Receiver, place: Path
) -> None:
    job = pinned.submit(INPUT, PAINT, params={"fal_webhook": receiver.url})
    result = pinned.result(job).json()
    assert result["prompt"] == "A cat"
    (webhook,) = receiver.wait(1)
    assert webhook.json["payload"] == result
    assert pinned.job(job)["faults"] == {"output": {"rule": "r1"}}
    streamed = output_in(pinned.run(INPUT, f"{PAINT}/stream"))
    assert {**streamed, "images": 0} == {**result, "images": 0}
    data = (place / "pins" / "cat.png").read_bytes()
    for output in (result, streamed):
        assert pinned.http.get(output["images"][0]["url"]).content == data
    inline = pinned.run({**INPUT, "sync_mode": True}, PAINT).json()["images"][0]["url"]
    assert inline == f"data:image/png;base64,{base64.b64encode(data).decode()}"


def test_a_workflow_ends_with_it(place: Path, serve: Serve) -> None:
    write(place / "end.json", {"image": {"url": "pins/cat.png"}})
    mock = serve(outputs={CHAIN: "end.json"}, documents=["fal"])
    direct = mock.run({"prompt": "x"}, CHAIN).json()
    assert direct["image"]["url"].endswith("_cat.png")
    streamed = output_in(mock.run({"prompt": "x"}, f"{CHAIN}/stream"))
    assert streamed["type"] == "output"
    assert streamed["output"]["image"]["url"].endswith("_cat.png")


def test_faults_and_lifetimes_of_files_hold_for_pinned_ones(
    place: Path, timed: Serve, clock: WatchedClock
) -> None:
    mock = timed(outputs=[f"{PAINT}=pins/cat.json"], documents=["fal"], concurrency=0)
    last = {"x-fal-object-lifecycle-preference": '{"expiration_duration_seconds": 60}'}
    url = mock.run(INPUT, PAINT, headers=last).json()["images"][0]["url"]
    added = mock.http.post(RULES, json={"rule": "media_truncated share=0.5"}).json()
    size = (place / "pins" / "cat.png").stat().st_size
    assert len(mock.http.get(url).content) == size // 2
    mock.http.delete(f"{RULES}/{added['id']}")
    assert len(mock.http.get(url).content) == size
    clock.advance(61)
    assert mock.http.get(url).status_code == 404


def test_a_file_that_is_gone_is_404_and_the_hint_says_why(pinned: Mock, place: Path) -> None:
    url = pinned.run(INPUT, PAINT).json()["images"][0]["url"]
    (place / "pins" / "cat.png").unlink()
    reply = pinned.http.get(url)
    assert reply.status_code == 404
    assert "cat.png was there when an output named it" in reply.headers["x-falkit-hint"]


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ({}, "isn't an output of acme/paint: it lacks images; correct it, or add check=false"),
        ({"images": 1, "seed": "x"}, "$.images: 1 is not of type 'array'"),
        ({"images": [{"url": "dog.png"}]}, "images[0].url: 'dog.png' isn't there; put the file"),
        ({"images": [{"url": "../fal/1.json"}]}, "'../fal/1.json' leads out of the folder of its"),
        ({"images": [{"url": "/etc/passwd"}]}, "'/etc/passwd' leads out of the folder"),
        ({"images": [{"url": "out.png"}]}, "'out.png' leads out of the folder"),
        ({"images": [{"url": "media"}]}, "'media' is no file of at most"),
        ({"images": [{"url": "\0"}]}, "leads out of the folder"),
        ({"images": [{"url": "file:///cat.png"}]}, "is neither a path, nor an http or data URL"),
        ({"images": [{"url": "sound.wav"}]}, "'width' is a required property"),
        ([], "'pins/x.json' holds [], and no JSON object"),
        ("{", "'pins/x.json' isn't JSON: "),
    ],
)
def test_an_output_that_cannot_be_is_refused_at_the_start(
    place: Path, output: object, why: str
) -> None:
    write(place / "outside.png", "x")
    (place / "pins" / "out.png").symlink_to(place / "outside.png")
    write(place / "pins" / "x.json", output)
    assert why in refused(f"{PAINT}=pins/x.json")


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ("none.json", "outputs: 'none.json' names no endpoint, and is no folder that is there"),
        (f"{PAINT}=none.json", "outputs: 'none.json' isn't there; give a file of JSON, or a"),
        (f"{PAINT}=fal/empty", "is a folder without a file *.json"),
        (f"{PAINT}=/dev/null", "outputs: '/dev/null' is neither a file nor a folder"),
        (f"{PAINT}=", "is neither a file's or folder's path nor a JSON object"),
        (f"{PAINT}=pins/cat.json tims=2", "'tims' isn't a parameter; did you mean times?"),
        (f"{PAINT}=pins/cat.json check=no way", "is not key=value"),
        (f"{PAINT}=pins/cat.json endpoint=x", "endpoint: 'x' comes twice"),
        (f"{PAINT}=pins/cat.json on=media", "is where output can't happen"),
        ("=pins/cat.json", "endpoint: '' isn't a pattern"),
        ({"output": "pins/cat.json"}, "endpoint: missing; say whose output it is"),
        ({"output": 3, "endpoint": "x"}, "3 is neither a file's or folder's path"),
        ({"fault": "bad_key"}, "'bad_key' pins no output"),
        (3, "3 is no output; give text or a table"),
    ],
)
def test_a_setting_that_pins_nothing_is_refused(place: Path, output: Any, why: str) -> None:
    (place / "fal" / "empty").mkdir()
    assert why in refused(output)


def test_what_fal_could_not_answer_is_answered_on_demand(place: Path, serve: Serve) -> None:
    write(place / "pins" / "cat.json", {"images": "none"})
    mock = serve(outputs=[f"{PAINT}=pins/cat.json check=false"], documents=["fal"])
    assert mock.run(INPUT, PAINT).json() == {"images": "none"}
    rule = mock.http.get(RULES).json()["rules"][0]
    assert rule["text"] == f"output=pins/cat.json endpoint={PAINT} check=false"
    assert rule["rule"] == {"output": "pins/cat.json", "endpoint": PAINT, "check": False}


def test_an_endpoint_without_a_document_answers_it_as_it_is(place: Path, serve: Serve) -> None:
    write(
        place / "pins" / "odd.json", {"made": {"url": "cat.png"}, "picture_url": "cat.png", "n": 1}
    )
    outputs = [f"{ODD}=pins/odd.json"]
    mock = serve(outputs=outputs, documents=["fal"], unknown_endpoints="guess")
    made = mock.run(INPUT, ODD).json()
    assert (made["n"], [*made["made"]]) == (1, ["url"])
    for url in (made["made"]["url"], made["picture_url"]):
        assert mock.http.get(url).headers["content-type"] == "image/png"


def test_the_control_api_takes_outputs_and_only_folders_of_the_start(pinned: Mock) -> None:
    def post(**rule: Any) -> Any:
        return pinned.http.post(RULES, json={"rule": rule})

    given = {"images": [{"url": "https://example.com/a.png", "width": 2}], "seed": 9}
    assert post(output=given, endpoint=PAINT).status_code == 201
    pinned.http.delete(f"{RULES}/r1")
    reply = pinned.run(INPUT, PAINT)
    assert reply.json() == given
    assert reply.headers["x-falkit-hint"] == "falkit answered a pinned output (r2)"
    rules = [each["rule"] for each in pinned.http.get(RULES).json()["rules"]]
    assert rules == [{"output": given, "endpoint": PAINT}]
    again = [*rules, f"output=pins/cat.json endpoint={PAINT}"]
    assert pinned.http.put(RULES, json={"rules": again}).status_code == 200
    for value, why in (
        ("/etc/hostname", "'/etc/hostname' is in no folder of an output of the start; give"),
        ("none.json", "'none.json' is in no folder"),
        ("pins/none.json", "is in no folder"),
        ({"images": [{"url": "cat.png"}]}, "output.images[0].url: 'cat.png' can't be a path here"),
        ({"images": 3}, "$.images: 3 is not of type 'array'"),
    ):
        reply = post(output=value, endpoint=PAINT)
        assert (reply.status_code, why in reply.text) == (422, True), reply.text
    assert "endpoint: missing" in post(output=given).text
    assert pinned.http.get(RULES).json()["rules"][0]["rule"] == rules[0], "nothing has changed"
    pinned.http.post("/__falkit/reset")
    assert pinned.run(INPUT, PAINT).json()["prompt"] == "A cat"


@pytest.mark.parametrize(
    "text", ["output=/etc/passwd endpoint=*", "output endpoint=*", 'output={"a":1} endpoint=*']
)
def test_no_request_can_name_an_output(pinned: Mock, text: str) -> None:
    assert pinned.run(INPUT, PAINT, headers={"x-falkit-fault": text}).status_code == 400
    told = pinned.run({"prompt": f"[falkit:{text}]"}, FILM)
    assert (told.status_code, "can't be used" in told.headers["x-falkit-hint"]) == (200, True)


def test_an_exported_state_has_rules_and_files_only_where_both_are_named(
    pinned: Mock, place: Path, serve: Serve
) -> None:
    url = pinned.run(INPUT, PAINT).json()["images"][0]["url"]
    state = pinned.http.get("/__falkit/state", headers={"x-falkit-client": "test"}).content
    path = url.partition("/v3b.fal.media")[2]
    same = serve(outputs=[f"{PAINT}=pins/cat.json"], documents=["fal"])
    assert same.http.put("/__falkit/state", content=state).status_code == 200
    assert same.http.get(f"/v3b.fal.media{path}").content == (place / "pins/cat.png").read_bytes()
    assert same.http.get(RULES).json()["rules"][0]["applied"] == 1
    other = serve(documents=["fal"])
    reply = other.http.put("/__falkit/state", content=state)
    assert (reply.status_code, "is in no folder of an output" in reply.text) == (422, True)
    pinned.http.delete(RULES)
    state = pinned.http.get("/__falkit/state", headers={"x-falkit-client": "test"}).content
    assert other.http.put("/__falkit/state", content=state).status_code == 200
    assert other.http.get(f"/v3b.fal.media{path}").status_code == 404


def test_changed_files_are_taken_up_and_broken_ones_told_of(pinned: Mock, place: Path) -> None:
    def seed() -> Any:
        reply = pinned.run(INPUT, PAINT)
        assert reply.status_code == 200
        return reply.json().get("seed")

    pinned.http.post(
        RULES, json={"rule": {"output": {"images": []}, "endpoint": FILM, "check": False}}
    )
    watch = Watch(pinned.service.rules, pinned.service.pins)
    assert (watch.check(), seed()) == (([], []), None)
    write(place / "pins" / "cat.json", {"images": [{"url": "cat.png"}], "seed": 5})
    told = (["pins/cat.json: changed, an output of acme/paint"], list[str]())
    assert (watch.check(), seed(), watch.check()) == (told, 5, ([], []))
    write(place / "pins" / "cat.json", "{")
    changes, (problem,) = watch.check()
    assert (changes, seed()) == ([], 5)
    assert "'pins/cat.json' isn't JSON" in problem
    assert problem.endswith("; what it held before still counts")
    assert watch.check() == ([], []), "it is said once"
    write(place / "pins" / "cat.json", {"images": [{"url": "cat.png"}], "seed": 6})
    watch.check()
    Image.new("RGB", (5, 6)).save(place / "pins" / "cat.png")
    assert watch.check() == told
    assert pinned.run(INPUT, PAINT).json()["images"][0]["width"] == 5
    pinned.http.post("/__falkit/reset")
    assert (watch.check(), seed()) == (([], []), 6), "a reset brings back no older one"
