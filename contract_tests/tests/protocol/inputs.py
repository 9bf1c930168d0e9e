"""Bodies to submit, and what comes of each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import cast

from falkit_fixtures import images
from falkit_spec import Endpoint


@dataclass(frozen=True)
class Input:
    """A body to submit, and the code that its result will have."""

    name: str
    code: int
    # Whether the body itself is refused; what is wrong with a file shows while the job runs.
    readable: bool = True

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def body(self, endpoint: Endpoint, token: str = "") -> bytes:
        """Write it for an endpoint, with a token behind the prompt."""
        example = endpoint.example_input()
        files = [medium.field for medium in endpoint.media_inputs]
        pictures = [medium.field for medium in endpoint.media_inputs if medium.kind == "image"]
        example["prompt"] = f"{example['prompt']}{token}"
        match self.name:
            case "no body":
                return b""
            case "broken":
                return b'{"prompt": '
            case "no text":
                return b"\xff"
            case "no prompt":
                # Not every endpoint needs a prompt; then it lacks what that one needs.
                for name in ("prompt", *cast("list[str]", endpoint.input_schema["required"])):
                    example.pop(name, None)
            case "private file":
                example |= dict.fromkeys(files, "http://localhost/x")
            case "sound image":
                example |= dict.fromkeys(pictures, images.data_uri("png"))
            case "wrong image":
                example |= dict.fromkeys(pictures, images.data_uri("gif", label="image/png"))
            case _:
                pass
        return json.dumps(example).encode()

    def code_for(self, endpoint: Endpoint) -> int:
        """Return the code that the result has: a fault in a file needs a field for one."""
        kinds = {medium.kind for medium in endpoint.media_inputs}
        harmless = (self.name == "private file" and not kinds) or (
            self.name == "wrong image" and "image" not in kinds
        )
        return 200 if harmless else self.code


INPUTS = (
    Input("legal", 200),
    Input("sound image", 200),
    Input("no prompt", 422, readable=False),
    Input("private file", 422),
    Input("wrong image", 422),
    Input("broken", 422, readable=False),
    Input("no body", 422, readable=False),
    Input("no text", 400, readable=False),
)
