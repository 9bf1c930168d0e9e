"""The surface of a mock that is another one for each key: keys, tokens and files of anybody."""

from __future__ import annotations

import json
from urllib.parse import quote

from hypothesis import strategies as st

from attack.surfaces import IDS, JSON_TYPE, RID, TEXT, VERBS, Surface, request

_NAMES = st.sampled_from(["a", "b", "", ":", "a:", "..", "../../x", "\0", "ü", "x" * 300]) | TEXT
_SCHEMES = st.sampled_from(["Key", "Bearer", "key", "Key ", "Basic", ""])
_TOKENS = st.sampled_from(["", "x", "a.b", "a.b.c", "0" * 5000, "%00"]) | TEXT
_PATHS = st.sampled_from(
    [
        *(f"/queue.fal.run/{IDS[0]}", f"/fal.run/{IDS[0]}", f"/fal.run/{IDS[0]}?fal_jwt_token="),
        f"/queue.fal.run/fal-ai/ltx-2/requests/{RID}/status",
        *("/v3b.fal.media/files/b/0a0a0a0a/x.png", "/v3.fal.media/files/b/ffffffff/x?token="),
        "/rest.fal.ai/storage/upload/initiate?storage_type=fal-cdn-v3",
        *("/rest.fal.ai/tokens/", "/rest.fal.ai/.well-known/jwks.json", "/api.fal.ai/v1/models"),
        *("/__falkit/jobs?key=", "/__falkit/reset?key=", "/__falkit/clock?key=", "/__falkit/state"),
        *("/__falkit/tenants", "/__falkit/billing", "/metrics", "/ready"),
    ]
)


@st.composite
def anybodys(draw: st.DrawFn) -> bytes:
    """A request with a key, a token or a name of a tenant that may be anything."""
    name = draw(_NAMES)
    path = draw(_PATHS)
    if path.endswith("="):
        path += quote(draw(_TOKENS if "token" in path else st.just(name)), safe="")
    key = f"{draw(_SCHEMES)} {name}:{draw(_TOKENS)}"
    rows = [("authorization", key), ("x-falkit-client", "attack"), JSON_TYPE]
    body = json.dumps(draw(st.sampled_from([{"prompt": "a"}, {}, {"apps": ["a"]}]))).encode()
    return request(draw(st.sampled_from(["GET", "POST", *VERBS])), path, rows, body)


TENANTS = [
    # 507 for one tenant more than there may be.
    Surface(
        "tenants",
        anybodys(),
        asked=(501, 507),
        options=("--tenants", "--max-tenants", "30", "--timing", "instant"),
    ),
]
