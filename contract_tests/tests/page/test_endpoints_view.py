"""The catalogue on the page, and one endpoint in full."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from page.conftest import Look, Scheme, at_night, too_wide
from page.test_shell import violations
from serving import I2V_FAST, Serve


def rows(page: Page, label: str) -> Locator:
    return page.get_by_role("region", name=label, exact=True).locator("tbody tr")


def test_the_catalogue_is_searched_by_words_category_and_date(serve: Serve, look: Look) -> None:
    mock = serve("instant")
    every = mock.http.get("/__falkit/endpoints").json()["endpoints"]
    page = look(mock, "#/endpoints")
    found = rows(page, "Endpoints")
    expect(found).to_have_count(len(every))
    page.keyboard.press("/")
    page.keyboard.type("VIDEO image-to kling")
    wanted = [
        one["endpoint_id"]
        for one in every
        if "kling" in one["endpoint_id"] and "image-to" in one["endpoint_id"]
    ]
    expect(found).to_have_count(len(wanted))
    page.get_by_label("Text").fill("")
    page.get_by_label("Category").select_option("llm")
    expect(found).to_have_count(sum(one["category"] == "llm" for one in every))
    page.get_by_label("Category").select_option("")
    page.get_by_label("Date").select_option("2026-01")
    expect(found).to_have_count(sum(one["date"] == "2026-01" for one in every))
    page.reload()
    expect(found).to_have_count(sum(one["date"] == "2026-01" for one in every))
    page.get_by_label("Text").fill("nothing like that")
    expect(page.get_by_role("heading", name="No endpoint is like that")).to_be_visible()
    page.get_by_role("link", name="Show all").click()
    row = found.filter(has_text=I2V_FAST)
    expect(row).to_contain_text("$0.24")
    expect(row).to_contain_text("48, 23 legal")
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(I2V_FAST)


def test_an_endpoint_shows_all_that_is_known_of_it(serve: Serve, look: Look) -> None:
    page = look(serve("instant"), f"#/endpoints/{I2V_FAST}")
    fields = rows(page, "Fields of the input")
    expect(fields.filter(has_text="prompt")).to_contain_text("requiredtext, 1 to 5000 characters")
    expect(fields.filter(has_text="resolution")).to_contain_text('1080p | 1440p | 2160p"1080p"')
    expect(page.get_by_role("region", name="Rules")).to_contain_text("durations above 10 s need")
    expect(rows(page, "Files that are taken")).to_contain_text("10 MiB at most (inferred)")
    price = page.get_by_role("region", name="Price")
    expect(price).to_contain_text("Billable unitsecond")
    expect(price).to_contain_text("Certaintyconfirmed")
    # Frames a second decide nothing of it.
    expect(price).to_contain_text("Depends onduration, resolutionCertainty")
    page.set_viewport_size({"width": 390, "height": 800})
    meaning = fields.filter(has_text="resolution").locator("td").last
    meaning.scroll_into_view_if_needed()
    expect(meaning).to_be_in_viewport(ratio=1)
    assert too_wide(page) == []
    box = page.get_by_role("region", name="Fields of the input")
    assert box.evaluate("(one) => one.scrollWidth - one.clientWidth") == 0
    example = page.get_by_role("region", name="An input that is taken").locator("pre")
    assert "prompt" in json.loads(example.inner_text())
    page.get_by_role("link", name="Open in the playground").click()
    expect(page.locator(".verdict")).to_contain_text("missing: image_url, prompt")


@at_night
def test_combinations_are_a_table_in_pages(serve: Serve, look: Look) -> None:
    page = look(serve("instant"), f"#/endpoints/{I2V_FAST}")
    table = rows(page, "Choices, legal or not")
    expect(table).to_have_count(25)
    expect(table.last).to_contain_text("legal")
    page.get_by_role("button", name="Next").click()
    expect(table).to_have_count(23)
    expect(page.locator(".pager")).to_contain_text("26 to 48 of 48")
    expect(table.last).to_contain_text("illegal")
    expect(table.last).to_contain_text("durations above 10 s need 25 fps and 1080p")
    page.get_by_role("button", name="resolution", exact=True).click()
    expect(page.locator(".pager")).to_contain_text("1 to 16 of 16")
    table.last.get_by_role("link", name="try").click()
    expect(page.locator(".verdict")).to_contain_text("need 25 fps and 1080p")
    query = urlsplit(page.url).fragment.partition("?")[2]
    assert json.loads(parse_qs(query)["input"][0])["duration"] == 20


@at_night
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_endpoints(serve: Serve, look: Look, scheme: Scheme) -> None:
    mock = serve("instant")
    page = look(mock, "#/endpoints", scheme=scheme)
    expect(rows(page, "Endpoints").first).to_be_visible()
    assert violations(page) == []
    page.goto(f"{mock.url}/#/endpoints/fal-ai/ideogram/v3")
    expect(rows(page, "Choices, legal or not").first).to_be_visible()
    assert violations(page) == []
    page.set_viewport_size({"width": 390, "height": 800})
    assert too_wide(page) == []


# Schemas that lead into themselves.
LOOPS = {
    "$defs": {
        "Union": {"anyOf": [{"$ref": "#/$defs/Union"}, {"type": "string"}, {"type": "integer"}]},
        "Object": {"required": ["in"], "properties": {"in": {"$ref": "#/$defs/Object"}}},
        "List": {"type": "array", "items": {"$ref": "#/$defs/List"}},
        "Self": {"$ref": "#/$defs/Self"},
        "All": {"allOf": [{"$ref": "#/$defs/Object"}, {"properties": {"more": {"const": 1}}}]},
    }
}


def test_a_document_that_leads_into_itself_has_an_end(serve: Serve, look: Look) -> None:
    kinds = look(serve("instant")).evaluate(
        """async (root) => {
            const { blank, fits, read, takes } = await import("/__falkit/page/schema.js");
            return Object.keys(root.$defs).map((name) => {
                const node = { $ref: `#/$defs/${name}` };
                const field = read(node, root);
                const short = JSON.stringify(blank(node, root)).length < 200;
                return [field.kind, takes(field), fits(1, node, root), short];
            });
        }""",
        LOOPS,
    )
    assert kinds == [
        ["union", "text, or whole number", True, True],
        ["object", "object of in", False, True],
        ["list", "list of list of list of list", False, True],
        ["json", "JSON", True, True],
        ["object", "object of in, more", False, True],
    ]


@at_night
def test_no_document_of_that_name_is_said(serve: Serve, look: Look) -> None:
    page = look(serve("instant"), "#/endpoints/fal-ai/nothing")
    expect(page.get_by_role("heading", name="There is no document")).to_be_visible()
