"""Files as inputs name them: public URLs, and data URIs of tiny files that are what they say."""

from __future__ import annotations

import base64

from hypothesis import strategies as st

from falkit_contract.strategies._texts import urls
from falkit_fixtures import images
from falkit_spec import JSON, MediaInput

_ENDINGS = {"image": ".png", "video": ".mp4", "audio": ".mp3"}


def legal(wanted: MediaInput) -> st.SearchStrategy[JSON]:
    """Give what the model could load: a URL first, then a data URI in each accepted format."""
    simplest = f"https://example.com/{wanted.kind}{_ENDINGS[wanted.kind]}"
    named: st.SearchStrategy[JSON] = st.one_of(st.just(simplest), urls)
    if wanted.kind != "image":
        return named
    inline: list[JSON] = [
        f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
        for kind in images.KINDS
        if kind in wanted.formats
        and len(data := images.sample(kind)) <= (wanted.max_bytes or len(data))
    ]
    return named | st.sampled_from(inline) if inline else named
