"""The vendored documents have the facts of fal's own, where those are at hand; prose is ours.

`../shared/documents` beside the project has a folder per month, as `spec/falkit_spec/openapi` has.
Where it isn't there, nothing is compared.
"""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

import falkit_spec
from falkit_spec import JSON
from falkit_spec.types import dig, is_array, is_object

FALS = Path(__file__).parents[4] / "shared" / "documents"
OURS = Path(falkit_spec.__file__).parent / "openapi"
FILES = sorted(path.relative_to(OURS) for path in OURS.rglob("*.json"))
# Of `info.x-fal-metadata`: what isn't an address of a picture.
METADATA = ("endpointId", "category", "playgroundUrl", "documentationUrl")


def facts(node: JSON) -> JSON:
    """Return a schema without its prose: names, types, enums, limits, defaults, orders remain."""
    if is_array(node):
        return [facts(item) for item in node]
    if not is_object(node):
        return node
    # A property may itself be called `description` or `examples`: then it is an object.
    said = {
        name: value
        for name, value in node.items()
        if name not in ("description", "limit_description", "examples") or is_object(value)
    }
    return {name: facts(value) for name, value in said.items()}


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_document_has_fals_facts(file: Path) -> None:
    if not (FALS / file).is_file():
        return
    ours, fals = (orjson.loads((root / file).read_bytes()) for root in (OURS, FALS))
    whole = fals["openapi"] == "3.0.4" and "securitySchemes" in fals["components"]
    schemas = fals["components"]["schemas"]
    # Components alone were published later; the status's and the wrapper's were made up for them.
    compared = [name for name in schemas if whole or name != "QueueStatus"]
    assert list(ours["components"]["schemas"]) == list(schemas)
    for name in compared:
        assert facts(ours["components"]["schemas"][name]) == facts(schemas[name]), name
    if whole:
        for part in ("paths", "servers", "security"):
            assert facts(ours[part]) == facts(fals[part])
            assert list(ours[part]) == list(fals[part])
        for name in METADATA:
            told = [dig(data, "info", "x-fal-metadata", name) for data in (ours, fals)]
            assert told[0] == told[1]


def test_nothing_of_ltx_2_is_missing() -> None:
    fals = {path.relative_to(FALS) for path in FALS.rglob("*.json")}
    assert {file for file in fals if file.parts[1:3] == ("fal-ai", "ltx-2")} <= {*FILES}
