"""What type checkers say of a user's file, and whether the generated types are the documents'."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_type_hints

import httpx
import pytest

from checkers import by_basedpyright, by_mypy
from falkit_client import AsyncBound, Bound, BoundOptions, Client
from falkit_client.types.fal_ai import ltx_2, ltx_2_calls
from falkit_spec import Catalog
from falkit_spec.typed.clients import Typed

ROOT = Path(__file__).parents[3]
FAST = "fal-ai/ltx-2/image-to-video/fast"

# Each line that ends in `# wrong` must be refused, and no other.
USERS_FILE = """
from __future__ import annotations

from pathlib import Path

from falkit_client import AsyncClient, Client
from falkit_client.types.fal_ai.ltx_2 import ImageToVideoFastInput

with Client("id:secret") as client:
    fast = client.endpoint("fal-ai/ltx-2/image-to-video/fast", timeout=60, logs=True)
    result = fast.run(prompt="Rain", image_url=Path("tram.jpg"), duration=8, fps=50)
    url: str = result.output["video"]["url"]
    fast.subscribe(prompt="Rain", image_url=b"...", resolution="2160p")
    fast.run(prompt="Rain", image_url="https://example.com/a.png", duration=7)  # wrong
    fast.subscribe(prompt="Rain", image_url="https://example.com/a.png", duration="6")  # wrong
    fast.submit(prompt="Rain", image_url="https://example.com/a.png", fps=24)  # wrong
    fast.price(prompt="Rain", image_url="https://example.com/a.png", lenght=8)  # wrong
    fast.run(prompt="Rain")  # wrong
    fast.submit(prompt="Rain", image_url="https://a.net/b.png").wait().output["image"]  # wrong
    client.endpoint("fal-ai/ltx-2/image-to-video", priority="high")  # wrong
    client.endpoint("fal-ai/ltx-2/text-to-video").run(prompt="Rain", duration=12)  # wrong

    ready: ImageToVideoFastInput = {"prompt": "Rain", "image_url": Path("tram.jpg")}
    ready["duration"] = 7  # wrong
    client.run("fal-ai/ltx-2/image-to-video/fast", ready)
    fast.run(**ready)
    ImageToVideoFastInput(prompt="Rain", image_url="https://example.com/a.png", duration=7)  # wrong

    client.endpoint("some/model", check=False).run(anything=7, at=["all"])
    client.run("some/model", {"anything": 7}, check=False)


async def later() -> str:
    async with AsyncClient() as client:
        slow = client.endpoint("fal-ai/ltx-2/text-to-video")
        await slow.subscribe(prompt="Rain", duration=7)  # wrong
        handle = await slow.submit(prompt="Rain", duration=10)
        return (await handle.result()).output["video"]["url"]
"""


def generator() -> ModuleType:
    spec = spec_from_file_location("build_types", ROOT / "scripts" / "build_types.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("checker", [by_mypy, by_basedpyright])
def test_type_checkers_refuse_what_the_document_refuses(
    tmp_path: Path, checker: Callable[..., set[int]]
) -> None:
    file = tmp_path / "users_file.py"
    file.write_text(USERS_FILE)
    wrong = {
        number
        for number, line in enumerate(USERS_FILE.splitlines(), start=1)
        if line.endswith("# wrong")
    }
    assert checker(file) == wrong


def test_the_generated_types_are_in_step_with_the_documents() -> None:
    made = generator()
    assert not list(made.stale(made.build())), "run `make types`"


def test_each_enumerated_input_has_the_documents_values() -> None:
    made = generator()
    for endpoint in (one for one in Catalog.vendored() if one.app in made.APPS):
        module = import_module(f"falkit_client.types.{made.module(endpoint.app)}")
        [name] = Typed([endpoint]).names.values()
        hints = get_type_hints(getattr(module, f"{name}Input"))
        properties: Any = endpoint.input_schema["properties"]
        assert set(hints) == set(properties)
        for name, schema in properties.items():
            if "enum" in schema:
                assert list(get_args(hints[name])) == schema["enum"], f"{endpoint.id}: {name}"


def test_the_calls_exist_for_waiting_and_for_awaiting() -> None:
    for call in ("run", "submit", "subscribe", "price"):
        assert callable(getattr(Bound, call))
        assert callable(getattr(AsyncBound, call))
        assert hasattr(ltx_2_calls.ImageToVideoFast, call)
        assert hasattr(ltx_2_calls.AsyncImageToVideoFast, call)


def test_a_typed_input_is_a_plain_dict() -> None:
    made = ltx_2.ImageToVideoFastInput(prompt="Rain", image_url="https://example.com/a.png")
    assert made == {"prompt": "Rain", "image_url": "https://example.com/a.png"}


def test_run_leaves_out_what_only_the_queue_knows() -> None:
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, json={"request_id": "r1"})

    options: BoundOptions = {"check": False, "logs": True, "priority": "low", "start_timeout": 9}
    client = Client("id:secret", transport=httpx.MockTransport(answer))
    bound = client.endpoint("somebody/else", **options)
    bound.run(prompt="Rain")
    bound.submit(prompt="Rain")
    assert [request.headers.get("x-fal-queue-priority") for request in sent] == [None, "low"]
    assert [request.headers.get("x-fal-request-start-timeout") for request in sent] == [
        "9.0",
        "9.0",
    ]
