"""The vendored documents are those that SOURCES.md tells of, byte for byte."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import falkit_spec
from falkit_spec import Catalog

ROOT = Path(falkit_spec.__file__).parent / "openapi"
TEXT = (ROOT / "SOURCES.md").read_text(encoding="utf-8")


def listed() -> dict[str, tuple[str, str]]:
    """Return what SOURCES.md has, by file: the address and the digest."""
    found: dict[str, tuple[str, str]] = {}
    for date, section in re.findall(r"^## (\d{4}-\d\d)\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S):
        rows = re.findall(r"\| `(\S+)` \| <(\S+)> \| `(\w{64})` \|", section)
        found |= {f"{date}/{name}.json": (url, digest) for name, url, digest in rows}
    return found


def test_no_document_has_changed() -> None:
    held = {
        path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in ROOT.rglob("*.json")
    }
    assert held == {file: digest for file, (_, digest) in listed().items()}


def test_sources_name_the_address_of_each() -> None:
    for file, (url, _) in listed().items():
        name = file.partition("/")[2].removesuffix(".json")
        assert url == f"https://fal.ai/api/openapi/queue/openapi.json?endpoint_id={name}"


def test_a_document_is_where_its_date_and_id_say() -> None:
    for as_of in ("2026-01", "2026-05"):
        for endpoint in Catalog.vendored(as_of):
            metadata = endpoint.document.data["info"]
            assert isinstance(metadata, dict)
            assert metadata["title"] == f"Queue OpenAPI for {endpoint.id}"
            file = ROOT / endpoint.document.date / f"{endpoint.id}.json"
            assert endpoint.document.raw == file.read_bytes()
