"""Documents and overlays in a user's files and folders."""

from __future__ import annotations

import json
import logging
import os
import sys
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from falkit_spec import BadDocument, Catalog, UnknownDate, UnknownEndpoint
from falkit_spec.sources import MOST_BYTES
from own_documents import PAINT, data_of, overlay, priced, write

FAST = "fal-ai/ltx-2/image-to-video/fast"
PRO = "fal-ai/ltx-2/image-to-video"


def test_the_id_is_the_documents_own_wherever_the_file_is(tmp_path: Path) -> None:
    write(tmp_path / "some where" / "x.json", data_of(PAINT))
    single = write(tmp_path / "single.txt", data_of("acme/draw"))
    catalog = Catalog.read([tmp_path / "some where", single])
    assert {PAINT, "acme/draw", FAST} <= {endpoint.id for endpoint in catalog}
    assert catalog.notes == ()
    match = catalog.find(f"{PAINT}/requests/1")
    assert match is not None
    assert match.endpoint.category == "text-to-image"


def test_whatever_cannot_be_used_is_named_and_harms_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "acme" / "paint.json", data_of(PAINT))
    bad: dict[str, object] = {
        "broken.json": '{"a": ',
        "list.json": [1],
        "package.json": {"name": "a-program", "version": "1.0.0"},
        "compose.yaml": "services: {}",
        "paths.json": data_of("../../etc/passwd"),
        "overlay.yaml": "overlay: 2.0.0",
        "tabs.yaml": "a:\n\t- b",
        "deep.json": "[" * 100_000,
        "deep.yaml": "[" * 100_000,
        "deeper.yaml": "- " * 100_000,
        "own.yaml": "a: &a [*a]",
        "bomb.yaml": "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in pairwise("abcdefghi")),
        "when.yaml": "a: 2026-01-01\n? [1]\n: 2\n",
    }
    for name, content in bad.items():
        write(tmp_path / name, content)
    (tmp_path / "wide.json").write_text(json.dumps(data_of("acme/wide")), "utf-16")
    (tmp_path / "huge.json").write_bytes(b" " * (MOST_BYTES + 1))
    (tmp_path / ".hidden.json").write_text("no JSON")
    write(tmp_path / "node_modules" / "x.json", "no JSON")
    catalog = Catalog.read([tmp_path])
    named = [Path(note.partition(": ")[0].partition(",")[0]).name for note in catalog.notes]
    assert sorted(named) == sorted([*bad, "wide.json", "huge.json"])
    assert all(note.endswith("; left out") and "\n" not in note for note in catalog.notes)
    assert PAINT in catalog
    assert len(catalog) == len(Catalog.vendored()) + 1


def test_yaml_and_a_byte_order_mark_are_no_obstacle(tmp_path: Path) -> None:
    write(tmp_path / "paint.yaml", json.dumps(data_of(PAINT), indent=1).replace('"200"', "200"))
    (tmp_path / "draw.json").write_text(json.dumps(data_of("acme/draw")), "utf-8-sig")
    catalog = Catalog.read([tmp_path])
    assert catalog.notes == ()
    assert catalog.get(PAINT).is_valid({"prompt": "x"})
    assert not catalog.get("acme/draw").is_valid({"prompt": 1})
    assert catalog.get(PAINT).example_output() == catalog.get("acme/draw").example_output() != {}


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("acme/draw.json", "describes acme/paint, not acme/draw; used as acme/paint"),
        ("2026-05/acme/draw.json", "describes acme/paint, not acme/draw; used as acme/paint"),
        ("fal-ai/draw.json", "describes acme/paint, not fal-ai/draw; used as acme/paint"),
        ("acme/paint.json", ""),
        ("acme/paint/openapi.json", ""),
        ("2026-05-12/acme/paint.json", ""),
        ("paint.json", ""),
        ("images/paint.json", ""),
    ],
)
def test_a_document_where_another_is_expected_is_named(
    tmp_path: Path, place: str, said: str
) -> None:
    path = write(tmp_path / place, data_of(PAINT))
    catalog = Catalog.read([tmp_path])
    assert catalog.notes == ((f"{path}: {said}, so rename the file",) if said else ())
    assert PAINT in catalog


def test_what_is_there_twice_is_named_and_the_first_counts(tmp_path: Path) -> None:
    first = write(tmp_path / "a.json", data_of(PAINT))
    again = write(tmp_path / "b.json", data_of(PAINT, {}))
    catalog = Catalog.read([tmp_path, first])
    said = f"{again}: {PAINT} is in {first} too, which counts; remove one of the two"
    assert catalog.notes == (said,)
    assert catalog.get(PAINT).document.source == str(first)


def test_one_without_a_date_beside_a_dated_one_is_named_since_it_always_counts(
    tmp_path: Path,
) -> None:
    dated = write(tmp_path / "2026-05" / "acme" / "paint.json", data_of(PAINT))
    own = write(tmp_path / "paint.json", data_of(PAINT, {}))
    catalog = Catalog.read([tmp_path])
    (said,) = catalog.notes
    assert said.startswith(
        f"{own}: has no date, so it counts for {PAINT} in place of {dated} (2026-05); remove one"
    )
    assert catalog.get(PAINT).document.source == str(own)


def test_a_fact_that_falkit_does_not_know_and_broken_yaml_are_named(tmp_path: Path) -> None:
    write(tmp_path / "paint.json", data_of(PAINT))
    odd = write(tmp_path / "odd.yaml", overlay(PAINT, {"prices": priced("duration")}))
    broken = tmp_path / "broken.yaml"
    broken.write_text("overlay: 1.0.0\nactions: [\n")
    assert set(Catalog.read([tmp_path]).notes) == {
        f"{odd}: {PAINT}: prices: not among what falkit knows: inputs, pricing, realtime, "
        "rules, stream, video, workflow; "
        "left out",
        f"{broken}: not YAML: while parsing a flow node did not find expected node content, "
        "line 3, column 1; left out",
    }


def test_a_users_document_counts_in_place_of_falkits(tmp_path: Path) -> None:
    own = write(tmp_path / "fast.json", data_of(FAST, {"prompt": {"type": "string"}}))
    catalog = Catalog.read([tmp_path])
    assert catalog.notes == (f"{own}: counts for {FAST} in place of falkit's own document",)
    endpoint = catalog.get(FAST)
    assert [*endpoint.input_schema["properties"]] == ["prompt"]  # type: ignore[misc]
    # Of what falkit's overlay says nothing is left: it is about fields that aren't there.
    assert (endpoint.rules, endpoint.pricing, endpoint.media_inputs) == ((), None, ())
    assert endpoint.video({}) is None


def test_of_falkits_overlay_what_fits_a_users_document_stays(tmp_path: Path) -> None:
    data = dict(Catalog.vendored().get(FAST).document.data)
    for name in ("image_url", "fps"):
        text = json.dumps(data).replace(f'"{name}"', f'"other_{name}"')
        data = json.loads(text)
    write(tmp_path / "fast.json", data)
    endpoint = Catalog.read([tmp_path]).get(FAST)
    assert endpoint.price({"duration": 10}) == Decimal("0.40")
    assert (endpoint.rules, endpoint.media_inputs, endpoint.video({})) == ((), (), None)


def test_many_in_place_of_falkits_are_one_line(tmp_path: Path) -> None:
    for number, endpoint in enumerate(Catalog.vendored("2026-05")):
        write(tmp_path / f"{number}.json", data_of(endpoint.id))
    (said,) = Catalog.read([tmp_path]).notes
    assert "of your documents count in place of falkit's own" in said
    assert said.endswith("more")


def test_a_users_overlay_adds_facts_and_lacks_are_named_at_the_start(tmp_path: Path) -> None:
    write(tmp_path / "paint.json", data_of(PAINT))
    write(tmp_path / "good.yaml", overlay(PAINT, {"pricing": priced("duration")}))
    rule = {"loc": ["prompt"], "message": "m", "certainty": "inferred", "source": "a test"}
    facts = {
        "rules": [
            {**rule, "when": {}, "require": {"required": ["fps"]}},
            {**rule, "when": {"type": "nonsense"}, "require": {}},
            {**rule, "when": {}, "require": {"required": ["prompt"]}},
        ],
        "inputs": {"image_url": {"kind": "image", "formats": 1}},
        "video": 1,
    }
    bad = write(tmp_path / "odd.yaml", overlay(PAINT, facts))
    stray = write(tmp_path / "stray.yaml", overlay("acme/none", {}))
    catalog = Catalog.read([tmp_path])
    both = f"{tmp_path / 'good.yaml'} and {bad}: {PAINT}"
    assert [note.partition(" (")[0] for note in catalog.notes] == [
        f"{stray}: there is no document for 'acme/none'; `falkit spec add` fetches one, or correct "
        "the id",
        f"{both}: rules[0]: there is no input fps; left out",
        f"{both}: rules[1]: `when` or `require` can't be a JSON Schema",
        f"{PAINT}: inputs.image_url: `formats` needs a list as its value; left out".replace(
            PAINT, both, 1
        ),
        f"{both}: video: `video` is an object with size, fps, seconds and audio; left out",
    ]
    endpoint = catalog.get(PAINT)
    assert endpoint.price({"prompt": "x", "duration": 3}) == Decimal("0.3")
    assert [fault["msg"] for fault in endpoint.validate({"duration": 1})] == ["Value error, m"]


def test_an_overlay_that_cannot_be_laid_on_one_document_harms_that_alone(tmp_path: Path) -> None:
    write(tmp_path / "paint.json", data_of(PAINT))
    write(tmp_path / "draw.json", {**data_of("acme/draw"), "tags": 1})
    laid = overlay(PAINT, {})
    laid["actions"] = [{"target": "$", "update": {"tags": ["mine"]}}]
    everywhere = write(tmp_path / "all.yaml", laid)
    laid["actions"] = [
        {"target": "$.paths['/acme/draw'].post.requestBody", "update": {"content": 1}}
    ]
    one = write(tmp_path / "one.yaml", laid)
    catalog = Catalog.read([tmp_path])
    (said,) = catalog.notes
    assert said.startswith(
        f"{one}, $.paths['/acme/draw'].post.requestBody: 'content' is of another"
    )
    assert said.endswith("; left out for acme/draw")
    assert catalog.get(PAINT).overlaid["tags"] == ["mine"]
    assert catalog.get("acme/draw").is_valid({"prompt": "x"})
    assert everywhere.exists()


def test_what_shows_at_the_first_use_alone_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "paint.json", data_of(PAINT))
    laid = overlay(PAINT, {})
    laid["actions"] = [{"target": "$.paths[*].post", "update": {"x-falkit": {"rules": 1}}}]
    everywhere = write(tmp_path / "all.yaml", laid)
    catalog = Catalog.read([tmp_path])
    assert (catalog.notes, catalog.get(PAINT).rules) == ((), ())
    assert catalog.get(PAINT).is_valid({})
    (record,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    said = f"{everywhere}: {PAINT}: rules: `rules` is a list; left out"
    assert (record.name, record.getMessage()) == ("falkit_spec", said)


@pytest.mark.parametrize(
    ("as_of", "fields"),
    [
        (None, ["c"]),
        ("2026-05", ["b"]),
        ("2026-05-12", ["b"]),
        ("2026-05-11", ["a"]),
        ("2026-01", ["a"]),
        ("2025-11", ["a"]),
    ],
)
def test_of_several_dates_the_newest_that_is_not_later_counts(
    tmp_path: Path, as_of: str | None, fields: list[str]
) -> None:
    for date, name in (("2025-11", "a"), ("2026-05-12", "b"), ("2026-06-01", "c")):
        write(tmp_path / date / "acme" / "paint.json", data_of(PAINT, {name: {}}))
    catalog = Catalog.read([tmp_path], as_of)
    assert catalog.notes == ()
    by_name = Catalog.read([*tmp_path.iterdir(), tmp_path / "2026-05-12/acme/paint.json"], as_of)
    assert by_name.get(PAINT).document.date == catalog.get(PAINT).document.date
    assert [*catalog.get(PAINT).input_schema["properties"]] == fields  # type: ignore[misc]
    assert (FAST in catalog) is (as_of != "2025-11")


def test_before_the_first_document_of_anybody_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "2026-06" / "paint.json", data_of(PAINT))
    with pytest.raises(UnknownDate, match="before the first"):
        Catalog.read([tmp_path], "2025-12")
    with pytest.raises(UnknownEndpoint, match="is of 2026-06") as caught:
        Catalog.read([tmp_path], "2026-05").get(PAINT)
    assert caught.value.since == "2026-06"


@pytest.mark.parametrize("name", ["none", "none.json"])
def test_a_place_that_is_not_there_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadDocument, match="isn't there; name a folder or a file") as caught:
        Catalog.read([tmp_path / name])
    assert caught.value.source == str(tmp_path / name)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes by name there")
def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    if sys.platform != "win32":
        os.mkfifo(tmp_path / "pipe.json")
    assert Catalog.read([tmp_path]).notes == ()
    with pytest.raises(BadDocument, match="neither a file nor a folder"):
        Catalog.read([tmp_path / "pipe.json"])


def test_a_name_of_several_lines_makes_no_second_line(tmp_path: Path) -> None:
    write(tmp_path / "a\nfalkit: all is well\x1b[2J\u202e.json", "no JSON")
    (said,) = Catalog.read([tmp_path]).notes
    assert "a?falkit: all is well?[2J?.json: not JSON" in said


def test_notes_are_bounded(tmp_path: Path) -> None:
    for number in range(150):
        write(tmp_path / f"{number}.json", "no JSON")
    notes = Catalog.read([tmp_path]).notes
    assert (len(notes), notes[-1]) == (101, "documents: 50 more such lines are left out")


def test_nothing_of_a_document_is_kept_parsed_before_it_is_used(tmp_path: Path) -> None:
    write(tmp_path / "paint.json", data_of(PAINT))
    endpoint = Catalog.read([tmp_path]).get(PAINT)
    assert endpoint.category == "text-to-image"
    assert "data" not in vars(endpoint.document)
    assert endpoint.is_valid({"prompt": "x"})
    assert "data" in vars(endpoint.document)


def changed(path: Path, content: object) -> None:
    """Write a file again with a later time, whatever the clock's steps."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    write(path, content)
    os.utime(path, ns=(before + 10**9, before + 10**9))


def test_what_changes_in_the_files_is_taken_and_said(tmp_path: Path) -> None:
    paint = write(tmp_path / "paint.json", data_of(PAINT))
    draw = write(tmp_path / "draw.json", data_of("acme/draw"))
    catalog = Catalog.read([tmp_path])
    endpoint, other = catalog.get(PAINT), catalog.get("acme/draw")
    assert catalog.reread() == ([], [])
    changed(paint, data_of(PAINT, {"seed": {}}))
    far = write(tmp_path / "far.json", data_of("acme/a/b/c/d/e/f"))
    assert catalog.reread() == (
        [f"{far}: added, acme/a/b/c/d/e/f", f"{paint}: changed, {PAINT}"],
        [],
    )
    assert catalog.get(PAINT) is not endpoint
    assert catalog.get("acme/draw") is other, "what is as it was keeps what was compiled"
    assert catalog.find("acme/a/b/c/d/e/f/requests/1") is not None
    draw.unlink()
    assert catalog.reread() == ([f"{draw}: removed, acme/draw"], [])
    assert "acme/draw" not in catalog
    assert not catalog.has_app("acme/draw")
    assert endpoint.is_valid({"prompt": "x"}), "a job that was taken goes on by its document"


def test_a_file_that_breaks_meanwhile_keeps_its_last_good_version(tmp_path: Path) -> None:
    paint = write(tmp_path / "paint.json", data_of(PAINT))
    catalog = Catalog.read([tmp_path])
    endpoint = catalog.get(PAINT)
    changed(paint, '{"half": ')
    changes, notes = catalog.reread()
    assert changes == []
    assert [note.endswith("; what it held before still counts") for note in notes] == [True]
    assert catalog.reread() == ([], []), "it is said once"
    assert catalog.get(PAINT) is endpoint
    changed(paint, data_of(PAINT))
    assert catalog.reread() == ([f"{paint}: changed, {PAINT}"], [])
    paint.unlink()
    tmp_path.rename(tmp_path.with_name("elsewhere"))
    changes, notes = catalog.reread()
    assert changes == [f"{paint}: removed, {PAINT}"]
    assert notes == [f"{tmp_path}: isn't there"]


def test_an_overlay_that_changes_is_laid_anew(tmp_path: Path) -> None:
    write(tmp_path / "paint.json", data_of(PAINT))
    facts = write(tmp_path / "paint.yaml", overlay(PAINT, {"pricing": priced("duration")}))
    catalog = Catalog.read([tmp_path])
    assert catalog.get(PAINT).price({"duration": 2}) == Decimal("0.2")
    changed(facts, overlay(PAINT, {"pricing": priced("seconds")}))
    lack = f"{facts}: {PAINT}: pricing: there is no input seconds; left out"
    assert catalog.reread() == ([f"{facts}: changed, an overlay"], [lack])
    assert catalog.get(PAINT).price({"duration": 2}) is None
    facts.unlink()
    assert catalog.reread() == ([f"{facts}: removed, an overlay"], [])
    assert catalog.get(PAINT).pricing is None


def test_the_vendored_catalog_has_nothing_to_read_again() -> None:
    assert Catalog.vendored().reread() == ([], [])
