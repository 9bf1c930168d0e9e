"""The playground by night: its code is run by nobody, but read; and every document makes a form."""

from __future__ import annotations

import ast
import json
import shlex
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import expect

from page.conftest import Look, at_night
from page.test_playground_view import at, press
from processes import found
from serving import T2V, Mock, Serve


@at_night
def test_the_code_is_code(serve: Serve, look: Look, tmp_path: Path) -> None:
    input = {"prompt": 'It\'s "rain" \\ $HOME 雨 🌧', "generate_audio": False, "duration": 8}
    mock = serve("instant")
    page = look(mock, at(T2V, input))
    code: dict[str, str] = {}
    for language in ("curl", "Python", "JavaScript", "falkit_client"):
        press(page, language)
        code[language] = page.locator(".codes pre").inner_text()
    words = shlex.split(code["curl"].replace("\\\n", ""))
    assert json.loads(words[words.index("-d") + 1]) == input
    assert f"{mock.url}/queue.fal.run/{T2V}" in words
    for language in ("Python", "falkit_client"):
        dicts = [one for one in ast.walk(ast.parse(code[language])) if isinstance(one, ast.Dict)]
        assert ast.literal_eval(dicts[0]) == input
    module = tmp_path / "code.mjs"
    module.write_text(code["JavaScript"])
    subprocess.run([found("node", package="nodejs"), "--check", module], check=True, timeout=20)


@at_night
@pytest.mark.timeout(900)
def test_every_document_makes_a_form_whose_example_is_taken(serve: Serve, look: Look) -> None:
    mock: Mock = serve("instant")
    listed = mock.http.get("/__falkit/endpoints").json()["endpoints"]
    page = look(mock, "#/playground")
    for endpoint in (one["endpoint_id"] for one in listed):
        about = mock.http.get(f"/__falkit/endpoints/{endpoint}").json()
        page.goto(f"{mock.url}/{at(endpoint)}")
        expect(page.get_by_role("heading", level=1)).to_contain_text(endpoint)
        expect(page.locator(".inputs > .input")).to_have_count(len(about["fields"]))
        if about["example"]:
            press(page, "Fill with the example")
        expect(page.locator(".verdict"), endpoint).to_contain_text("A legal input")
        while (fold := page.locator("button.fold[aria-expanded=false]")).count():
            fold.first.click()
        if about["fields"]:
            press(page, "JSON")
            shown = json.loads(page.get_by_label("Input as JSON").input_value())
            assert shown == about["example"]
