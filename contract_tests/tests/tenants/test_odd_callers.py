"""Whatever a request says of its key, file or token, it is answered, and makes few tenants."""

from __future__ import annotations

import asyncio
import base64
from typing import Any
from urllib.parse import quote

from hypothesis import given, strategies as st
from starlette.types import Message, Scope

from falkit import Settings, create_app
from falkit_mock.tenants import Tenants
from falkit_spec import Catalog
from serving import T2V

MOST = 4
CATALOG = Catalog.vendored()
ODD = st.binary(max_size=12) | st.sampled_from([b"", b":", b"a", b"b:x", b"\xff:\xfe", b"hf_a"])
TOKENS = st.binary(max_size=20).map(base64.urlsafe_b64encode).map(lambda body: b"a." + body + b".b")
CREDENTIALS = st.tuples(
    st.sampled_from([b"Key ", b"key ", b"Key  ", b"Bearer ", b"bearer", b"", b"Basic "]),
    ODD | TOKENS,
).map(b"".join)
PATHS = st.sampled_from(
    [
        *(f"/queue.fal.run/{T2V}", f"/fal.run/{T2V}", f"/fal-ai/{T2V}", "/", "/health"),
        *("/v3b.fal.media/files/b/0a0a0a0a/x", "/v3b.fal.media/files/upload", "/files/b/00000000/"),
        *("/rest.fal.ai/tokens/", "/rest.fal.ai/.well-known/jwks.json", "/api.fal.ai/v1/models"),
        *("/__falkit/jobs", "/__falkit/reset", "/__falkit/tenants", "/__falkit", "/__falkit/clock"),
    ]
)
QUERIES = st.lists(
    st.tuples(st.sampled_from(["key", "fal_jwt_token", "token", "limit"]), ODD | TOKENS), max_size=2
).map(lambda pairs: "&".join(f"{name}={quote(value)}" for name, value in pairs).encode())
HEADERS = st.fixed_dictionaries(
    {b"authorization": CREDENTIALS},
    optional={
        b"host": st.sampled_from([b"127.0.0.1", b"router.huggingface.co", b"queue.fal.run"]),
        b"x-fal-target-url": st.sampled_from([b"https://fal.run/x", b"http://[", b""]) | ODD,
    },
)


async def answer(app: Tenants, scope: Scope) -> int:
    """Return the status of an application's answer."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    status: int = sent[0]["status"]
    return status


@given(
    st.lists(
        st.tuples(st.sampled_from(["GET", "POST", "PUT"]), PATHS, QUERIES, HEADERS), max_size=12
    )
)
def test_odd_callers_are_answered(calls: list[tuple[str, str, bytes, dict[bytes, bytes]]]) -> None:
    async def run() -> None:
        settings = Settings(tenants=True, timing="instant", max_tenants=MOST)
        app = create_app(settings, catalog=CATALOG)
        assert isinstance(app, Tenants)
        for method, path, query, headers in calls:
            scope: dict[str, Any] = {
                "type": "http",
                "method": method,
                "path": path,
                "raw_path": path.encode(),
                "query_string": query,
                "headers": [*({b"host": b"127.0.0.1"} | headers).items()],
                "server": ("127.0.0.1", 4325),
                "client": ("127.0.0.1", 9),
                "scheme": "http",
                "http_version": "1.1",
            }
            assert await answer(app, scope) != 500
        assert len(app.tenants) <= MOST
        app.close()

    asyncio.run(run())
