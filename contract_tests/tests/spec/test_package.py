from __future__ import annotations

import subprocess
import sys

import falkit_spec


def test_every_export_is_public_and_there() -> None:
    names = {name for name in vars(falkit_spec) if name[0].isupper()}
    assert {"Catalog", "Endpoint", "Document", "Overlay", "UnknownEndpoint", "Fault"} <= names


def test_jsonschema_is_not_imported_until_something_is_wrong() -> None:
    code = (
        "import sys, falkit_spec as s; e = s.Catalog.vendored().get('fal-ai/ltx-2/image-to-video');"
        "assert e.validate(e.example_input()) == [] and e.price({}) and e.combinations();"
        "assert 'jsonschema' not in sys.modules; e.validate({});"
        "assert 'jsonschema' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
