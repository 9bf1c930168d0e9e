"""`python -m attack.documents`: folders of hostile documents, overlays and lock files, each used.

Whatever is in a user's folder, `Catalog.read` takes what it can, names the rest in a line each, and
every endpoint of it can be used; nothing is raised, nothing takes long, and memory is bounded.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings, strategies as st

from attack.surfaces import VALUES, mangled
from attack.target import CEILING, MIB
from falkit_mock.core import dumps
from falkit_mock.core.identity import Identity
from falkit_mock.core.jobs import ParsedRequest
from falkit_mock.outputs import output_of
from falkit_spec import JSON, Catalog, Endpoint, Object
from falkit_spec.lint import lint

# What each folder is held to: seconds of the processor, and of a hang; bytes of memory in all.
SLOWEST, PATIENCE, MEMORY = 2.0, 30, 600 * MIB
OWN = Path(__file__).parents[1] / "tests" / "documents"
_GOOD = [path.read_bytes() for path in sorted(OWN.rglob("*.json"))]
_KEYWORDS = (
    *("type", "$ref", "allOf", "anyOf", "oneOf", "not", "items", "prefixItems", "properties"),
    *("required", "enum", "const", "default", "examples", "example", "nullable", "minimum"),
    *(
        "maximum",
        "exclusiveMinimum",
        "multipleOf",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
    ),
    *("uniqueItems", "additionalProperties", "minProperties", "format", "pattern", "if", "title"),
    *("x-fal", "x-fal-order-properties", "$id", "$defs", "$dynamicRef", "0", "1", "²"),
)
_REFS = (
    *("#/components/schemas/A", "#/components/schemas/B", "#/components/schemas/Gone", "#", "#/"),
    *("#/paths", "#/info", "file:///etc/passwd", "http://127.0.0.1:9/x", "#/a/²", "#/%ff/~2"),
)
_WORDS = (
    "string",
    "integer",
    "number",
    "boolean",
    "array",
    "object",
    "null",
    "file",
    "uri",
    "(a+)+$",
)


def _deep(levels: int, keyword: str) -> Any:
    node: Any = {"type": "string"}
    for _ in range(levels):
        node = {keyword: [node] if keyword.endswith("Of") else {"a": node}}
    return node


_OF_ANY_SIZE: list[Any] = [
    *(
        _deep(levels, keyword)
        for levels in (30, 70, 120, 250, 480)
        for keyword in ("anyOf", "allOf", "properties")
    ),
    {"enum": [*range(50_000)]},
    {"properties": {f"p{number}": {} for number in range(30_000)}},
    {"anyOf": [{"$ref": "#/components/schemas/A"}] * 200},
    {"type": "string", "minLength": 10**15},
    {"type": "array", "minItems": 10**9, "items": {"type": "integer"}},
]
LARGE: st.SearchStrategy[Any] = st.sampled_from(_OF_ANY_SIZE)
_TO_ELSEWHERE: list[Any] = [{"$ref": ref} for ref in _REFS]
SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(_WORDS) | st.sampled_from(_REFS) | VALUES | st.sampled_from(["A", "B", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(_KEYWORDS) | st.sampled_from(["A", "x"]), inner, max_size=5
        )
        | st.sampled_from(_TO_ELSEWHERE)
    ),
    max_leaves=12,
)


def _written(value: Any) -> bytes:
    """Write JSON; what JSON can't say is written as Python would, and refused as a whole."""
    return (
        json.dumps(value)
        .encode("utf-8", "replace")
        .replace(b"Infinity", b"1e9")
        .replace(b"NaN", b"0")
    )


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """A document whose schemas, and at times whose other parts, are drawn."""
    schema: st.SearchStrategy[Any] = SCHEMAS | LARGE if draw(st.integers(0, 3)) == 0 else SCHEMAS
    fields = st.dictionaries(st.sampled_from(["a", "image_url", "x", "²"]), schema, max_size=4)

    def body(node: Any) -> Any:
        return {
            "content": {draw(st.sampled_from(["application/json"] * 9 + ["*"])): {"schema": node}}
        }

    id = draw(st.sampled_from(["acme/odd", "acme/odd/b", "fal-ai/ltx-2/image-to-video", "../../x"]))
    post = {"requestBody": body({"type": "object", "properties": draw(fields)})}
    result = {"get": {"responses": {"200": body(draw(schema))}}}
    data: dict[str, Any] = {
        "openapi": "3.0.4",
        "info": {"x-fal-metadata": {"endpointId": id}},
        "components": {"schemas": {"A": draw(schema), "B": draw(schema)}},
        "paths": {f"/{id}": {"post": post}, f"/{id}/requests/{{request_id}}": result},
    }
    if draw(st.integers(0, 4)) == 0:
        data[draw(st.sampled_from([*data]))] = draw(SCHEMAS)
    return _written(data)


_OVERLAY = "overlay: 1.0.0\ninfo: {title: a, version: 1}\n"
_YAML = st.sampled_from(
    [
        "a0: &a0 [x,x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1},*a{n - 1}]\n" for n in range(1, 60)),
        "a0: &a0 {x: 1}\n"
        + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1},*a{n - 1}]}}\n" for n in range(1, 40)),
        "a: &a [*a]",
        "[" * 100_000,
        "- " * 100_000,
        "? " * 100_000,
        "x: 2024-01-01\ny: .nan\nz: !!binary aGk=\n1: 2",
        "x: " + "9" * 6000,
        "!!python/object/apply:os.system ['false']",
        f"{_OVERLAY}actions: [{{target: $.paths, update: {{a: 1}}}}]",
        f"{_OVERLAY}actions: [{{target: '$[*]', remove: true}}]",
    ]
).map(str.encode)
_FILES = st.tuples(
    st.sampled_from(["a.json", "b.json", "2026-05/c.json", "d.yaml", "documents.lock", "e.yml"]),
    documents() | documents() | mangled(st.sampled_from(_GOOD)) | _YAML | st.binary(max_size=60),
)
FOLDERS = st.lists(_FILES, min_size=1, max_size=4, unique_by=lambda file: file[0])


_INPUTS: list[JSON] = [
    {},
    {"a": 1, "x": "1"},
    {"x": {"x": [{}]}},
    {"image_url": "x", "a": [[None]]},
    [],
    1,
]


def use(endpoint: Endpoint) -> None:
    """Do all with an endpoint that a mock and a client do."""
    for input in _INPUTS:
        found = endpoint.validate(input, coerce=True)
        if isinstance(input, dict) and not found:
            endpoint.figures(endpoint.with_defaults(input))
        endpoint.validate_output(input)
        if isinstance(input, dict):
            _answer(endpoint, endpoint.with_defaults(input))
    assert (
        endpoint.validate_output(endpoint.example_output()) == [] or not endpoint.example_output()
    )
    endpoint.example_input()
    assert isinstance((endpoint.category, endpoint.file_fields, endpoint.rules), tuple)
    assert all(len(line) <= 200 and line.isprintable() for line in lint(endpoint.document))


_IDENTITY = Identity(1)


def _answer(endpoint: Endpoint, input: Object) -> None:
    """Write an output as the mock does; it is valid wherever the document's example is."""
    figures = endpoint.figures(input)
    parsed = ParsedRequest(endpoint, input, "", (), figures.video, figures.units, None)
    made = output_of(parsed, _IDENTITY.request_id(), _IDENTITY, "http://127.0.0.1/v3b.fal.media")
    possible = endpoint.validate_output(endpoint.example_output()) == []
    assert not possible or endpoint.validate_output(made.output) == []
    assert len(dumps(made.output)) < 4_000_000


def judge(files: list[tuple[str, bytes]], found: Counter[str]) -> None:
    """Write a folder, read it, and use what is in it; AssertionError where something is wrong."""
    with tempfile.TemporaryDirectory(prefix="falkit-attack-") as name:
        for place, data in files:
            path = Path(name, place)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        begun = time.process_time()
        catalog = Catalog.read([name])
        assert all("\n" not in note for note in catalog.notes)
        own = [one for one in catalog if one.document.source.startswith(name)]
        for endpoint in own:
            use(endpoint)
        took = time.process_time() - begun
    found["endpoints"] += len(own)
    found["notes"] += len(catalog.notes)
    assert took < SLOWEST, f"took {took:.1f} s"


def attack(seconds: float, number: int, least: int) -> tuple[Counter[str], list[str]]:
    """Read folders until the time is up and there were enough; return counts, and what broke."""
    found, broken, ends = Counter[str](), list[str](), time.monotonic() + seconds
    while time.monotonic() < ends or found["folders"] < least:
        number += 1

        @seed(number)
        @settings(
            max_examples=50,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=[
                HealthCheck.too_slow,
                HealthCheck.data_too_large,
                HealthCheck.filter_too_much,
            ],
        )
        @given(FOLDERS)
        def each(files: list[tuple[str, bytes]]) -> None:
            # A hang ends the process, and says where it was.
            faulthandler.dump_traceback_later(PATIENCE, exit=True)
            found["folders"] += 1
            try:
                judge(files, found)
            except Exception as error:
                names = [(place, data[:1500]) for place, data in files]
                broken.append(f"{type(error).__name__}: {str(error)[:200]}: {names}")
                if "-v" in sys.argv:
                    raise
            finally:
                faulthandler.cancel_dump_traceback_later()

        each()
    return found, broken


def bound_memory() -> None:
    if sys.platform == "win32":
        sys.exit("memory can't be bounded here")
    else:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (CEILING, CEILING))


def most_memory() -> int:
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def command(
    name: str,
    about: str | None,
    attack: Callable[[float, int, int], tuple[Counter[str], list[str]]],
    what: str,
    most: int,
) -> None:
    """Run an attack on files in this process, whose memory is bounded; exit 1 if one breaks it."""
    parser = argparse.ArgumentParser(prog=f"python -m attack.{name}", description=about)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--least", type=int, default=500, help=f"{what} [500]")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    chosen = parser.parse_args()
    bound_memory()
    print(f"seed {chosen.seed}", flush=True)
    found, broken = attack(chosen.minutes * 60, chosen.seed, chosen.least)
    memory = most_memory()
    broken += [f"{memory / MIB:.0f} MiB of memory"] if memory > most else []
    print(", ".join(f"{count} {name}" for name, count in found.items()), f"{memory / MIB:.0f} MiB")
    print(*broken[:20], f"{len(broken)} broken" if broken else "nothing broke", sep="\n")
    sys.exit(bool(broken))


if __name__ == "__main__":
    command("documents", __doc__, attack, "folders", MEMORY)
