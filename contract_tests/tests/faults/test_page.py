"""docs/faults.md and the code say the same."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from falkit_fixtures.images import sample
from falkit_mock.cli.config import read_config
from falkit_mock.cli.faults import page
from falkit_mock.faults import OPERATIONS
from falkit_mock.faults.catalogue import FAULTS
from falkit_mock.faults.matching import MATCHING
from falkit_mock.faults.rulebook import read_output
from falkit_mock.faults.rules import Rule, find_magic
from falkit_mock.service.pins import Pins
from falkit_spec import Catalog

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "faults.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_table_is_the_codes() -> None:
    assert page(FAULTS.values()) in PAGE, "falkit faults --markdown prints it"


def test_every_rule_that_the_page_shows_works() -> None:
    lines = blocks("")[0].splitlines()
    lines += re.findall(r"--fault '([^']+)'", PAGE)
    lines += [json.loads(body)["rule"] for body in re.findall(r"-d '(\{\"rule.*?\})'", PAGE)]
    lines += re.findall(r"x-falkit-fault: ([a-z_]+);", PAGE)
    assert len(lines) >= 8
    for line in lines:
        assert Rule.read(line)
    (file,) = blocks("toml")
    assert [Rule.read(rule) for rule in tomllib.loads(file)["rules"]]
    (input,) = blocks("json")
    assert len(find_magic(json.loads(input)).texts) == 2


def test_every_output_that_its_page_shows_can_be_pinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "outputs.md").read_text()
    fixtures = tmp_path / "fixtures"
    places = tmp_path / "outputs" / "fal-ai" / "flux"
    for folder in (fixtures, places):
        folder.mkdir(parents=True)
        (folder / "cat.png").write_bytes(sample("png"))
    (cat,) = re.findall(r"^\$ cat fixtures/cat.json\n(.*)$", page, re.MULTILINE)
    for path in (fixtures / "cat.json", fixtures / "dog.json", places / "dev.json"):
        path.write_text(cat)
    monkeypatch.chdir(tmp_path)
    (file,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "falkit.toml").write_text(file)
    config = read_config(tmp_path / "falkit.toml")
    (body,) = re.findall(r"-d '(\{\"rule.*?\})'", page, re.DOTALL)
    rules = [*config.outputs, *config.rules, Rule.read(json.loads(body)["rule"])]
    assert len(rules) == 4
    for rule in rules:
        Pins().check(rule, Catalog.vendored())
    texts = re.findall(r"^\| `'?([^`']+)'?` \| (?:one|a folder|for)", page, re.MULTILINE)
    assert len(texts) == 4
    for name in ("cat.json", "dog.json"):
        (fixtures / name).rename(tmp_path / name)
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "1.json").write_text("{}")
    assert [rule.text() for text in texts for rule in read_output(text)]


def test_every_word_of_a_matcher_and_every_operation_is_explained() -> None:
    words = re.findall(r"^\| `([a-z]+)(?:\.…)?` \| (?:[^|]|\\\|)+ \| `", PAGE, re.MULTILINE)
    assert {*MATCHING} <= set(words)
    for operation in OPERATIONS:
        assert f"`{operation}`" in PAGE


def test_the_examples_in_the_matchers_table_work() -> None:
    for example in re.findall(r"`((?:on|endpoint|key|input\.duration|skip|nth)=[^` ]+)`", PAGE):
        assert Rule.read(
            f"latency on=run,status,stream {example}".replace("on=run,status,stream on=", "on=")
        )
