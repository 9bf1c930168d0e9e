"""The vendored documents are those that SOURCES.md tells of, byte for byte."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import falkit_spec
from falkit_spec import Catalog

ROOT = Path(falkit_spec.__file__).parent / "openapi"
DIGESTS = {
    "fal-ai/ltx-2/image-to-video": (
        "ecc7dd4e3c47fffabcd15ac50d9954df351764bafa2f15eccc81f88726666012"
    ),
    "fal-ai/ltx-2/image-to-video/fast": (
        "ec36bbfa1c497fbfe2c72cf41cce9c2c40b26bd4f53eedaa211173bf81d7529e"
    ),
    "fal-ai/ltx-2/retake-video": (
        "e5c33dd35fda825d0a15334247823aee593825e224adca39267e198f80eae76b"
    ),
    "fal-ai/ltx-2/text-to-video": (
        "bcc39be2eb846d4ec12a481656e9c52f9bef0e8bcbcb950e540a6cf6fd5b73c5"
    ),
    "fal-ai/ltx-2/text-to-video/fast": (
        "87766b0664e2624a3582e02fb1d4e3afad21493f90952b03e20e57dd1b411d56"
    ),
}


def test_no_document_has_changed() -> None:
    held = {
        path.relative_to(ROOT).with_suffix("").as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in ROOT.rglob("*.json")
    }
    assert held == DIGESTS


def test_sources_name_date_address_and_digest_of_each() -> None:
    text = (ROOT / "SOURCES.md").read_text(encoding="utf-8")
    rows = re.findall(r"\| `(\S+)` \| <(\S+)> \| `(\w{64})` \|", text)
    address = "https://fal.ai/api/openapi/queue/openapi.json?endpoint_id="
    assert "2026-11-22" in text
    assert {name: digest for name, _, digest in rows} == DIGESTS
    assert [url for _, url, _ in rows] == [address + name for name, _, _ in rows]


def test_a_document_is_where_its_id_says() -> None:
    for endpoint in Catalog.vendored():
        metadata = endpoint.document.data["info"]
        assert isinstance(metadata, dict)
        assert metadata["title"] == f"Queue OpenAPI for {endpoint.id}"
        assert endpoint.document.raw == (ROOT / f"{endpoint.id}.json").read_bytes()
