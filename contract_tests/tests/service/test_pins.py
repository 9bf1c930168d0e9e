"""Pinned outputs whose documents or types change or can't be, and those that stay for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from falkit import Settings
from falkit_fixtures.images import sample
from falkit_mock.assembly import create_app
from falkit_spec import JSON, Catalog
from own_documents import PAINT, answering, data_of, write
from serving import running

PROMPT = {"prompt": "x"}
RULES = "/__falkit/rules"
OTHER: dict[str, Any] = {"type": "object", "required": ["other"], "properties": {"other": {}}}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a document, and an output of it."""
    write(tmp_path / "fal" / "paint.json", data_of(PAINT))
    write(tmp_path / "cat.json", {"image": {"url": "cat.png"}})
    (tmp_path / "cat.png").write_bytes(sample("png"))
    return tmp_path


def test_a_document_that_changes_makes_a_failure_of_it(place: Path) -> None:
    catalog = Catalog.read([place / "fal"])
    settings = Settings(timing="instant", outputs={PAINT: place / "cat.json"})
    with running(settings, catalog=catalog) as mock:
        assert mock.run(PROMPT, PAINT).json()["image"]["url"].endswith("_cat.png")
        write(place / "fal" / "paint.json", answering(data_of(PAINT), OTHER))
        assert catalog.reread()[0]
        failed = mock.run(PROMPT, PAINT)
        assert (failed.status_code, failed.json()["error_type"]) == (500, "internal_error")
        hint = failed.headers["x-falkit-hint"]
        assert hint.startswith("falkit refused this, not fal: output: ")
        assert f"isn't an output of {PAINT}: it lacks other" in hint
        # It is a rule of the start all the same.
        assert mock.http.post("/__falkit/reset").status_code == 200
        assert len(mock.http.get(RULES).json()["rules"]) == 1
        mock.http.delete(RULES)
        assert mock.run(PROMPT, PAINT).status_code == 200


@pytest.mark.parametrize("said", ["image/png\r\nx: y", "image", "", "ä/b", 3, None])
def test_a_type_that_no_header_can_hold_is_not_served(place: Path, said: object) -> None:
    write(place / "cat.json", {"image": {"url": "cat.png", "content_type": said}})
    outputs = [f"{PAINT}={place / 'cat.json'}"]
    with running(Settings(timing="instant", outputs=outputs, documents=[place / "fal"])) as mock:
        image = mock.run(PROMPT, PAINT).json()["image"]
        assert image["content_type"] == said
        assert mock.http.get(image["url"]).headers["content-type"] == "image/png"


def test_outputs_of_the_settings_may_be_among_the_faults(place: Path) -> None:
    rule: dict[str, JSON] = {"output": str(place / "cat.json"), "endpoint": PAINT, "times": 1}
    settings = Settings(timing="instant", faults=[rule], documents=[place / "fal"])
    assert create_app(settings).service.rules.all()[0].rule.pin is not None
    with running(settings) as mock:
        urls = [mock.run(PROMPT, PAINT).json()["image"]["url"] for _ in range(2)]
        assert [url.endswith("_cat.png") for url in urls] == [True, False]
        listed = mock.http.get("/__falkit/health").json()["settings"]["faults"]
        assert listed == [f"output={place / 'cat.json'} endpoint={PAINT} times=1"]


def test_neither_a_file_that_is_gone_nor_what_a_link_in_its_place_leads_to_is_answered(
    place: Path,
) -> None:
    other = (place / "cat.png").rename(place / "other.png")
    (place / "cat.png").write_bytes(sample("jpeg"))
    settings = Settings(timing="instant", outputs={PAINT: place / "cat.json"})
    with running(settings, catalog=Catalog.read([place / "fal"])) as mock:
        (place / "cat.png").unlink()
        for _ in ("gone", "a link"):
            reply = mock.run({**PROMPT, "sync_mode": True}, PAINT)
            assert mock.http.get(reply.json()["image"]["url"]).status_code == 404
            assert "cat.png is there no more" in reply.headers["x-falkit-hint"]
            (place / "cat.png").unlink(missing_ok=True)
            (place / "cat.png").symlink_to(other)
