from __future__ import annotations

import subprocess
import sys

import falkit_spec


def test_every_export_is_public_and_there() -> None:
    names = {name for name in vars(falkit_spec) if name[0].isupper()}
    assert {"Catalog", "Endpoint", "Document", "Overlay", "UnknownEndpoint", "Fault"} <= names


def test_pydantic_is_not_imported_until_something_is_wrong_and_jsonschema_not_even_then() -> None:
    code = (
        "import sys, falkit_spec as s; e = s.Catalog.vendored().get('fal-ai/ltx-2/image-to-video');"
        "assert e.validate(e.example_input()) == [] and e.price({}) and e.combinations();"
        "assert 'pydantic_core' not in sys.modules; e.validate({});"
        "assert 'pydantic_core' in sys.modules;"
        "assert not {'pydantic', 'jsonschema'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
