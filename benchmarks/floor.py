"""The floors: a bare application that answers canned bytes, and checks nothing.

`floor.py starlette FOLDER` or `floor.py asgi FOLDER`: the folder has a file for each reply, named
as its path is; a body that comes is read.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

MEDIA_TYPES = {"media": "video/mp4"}


def starlette(replies: dict[str, bytes]) -> ASGIApp:
    """Return a route for each reply, as one writes it with Starlette."""

    def route(name: str, body: bytes) -> Route:
        kind = MEDIA_TYPES.get(name, "application/json")

        async def post(request: Request) -> Response:
            await request.body()
            return Response(body, media_type=kind)

        async def get(request: Request) -> Response:
            return Response(body, media_type=kind)

        posts = name in ("submit", "run")
        return Route(f"/{name}", post if posts else get, methods=["POST" if posts else "GET"])

    return Starlette(routes=[route(*each) for each in replies.items()])


def asgi(replies: dict[str, bytes]) -> ASGIApp:
    """Return the same without a framework."""
    starts = {
        f"/{name}": (
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", MEDIA_TYPES.get(name, "application/json").encode()),
                    (b"content-length", b"%d" % len(body)),
                ],
            },
            {"type": "http.response.body", "body": body},
        )
        for name, body in replies.items()
    }

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "POST":
            await receive()
        for message in starts[scope["path"]]:
            await send(message)

    return app


FLOORS = {"starlette": starlette, "asgi": asgi}


def main() -> None:
    kind, folder = sys.argv[1:]
    replies = {file.name: file.read_bytes() for file in Path(folder).iterdir() if file.is_file()}
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
        config = uvicorn.Config(
            FLOORS[kind](replies), http="httptools", access_log=False, log_level="critical"
        )
        uvicorn.Server(config).run(sockets=[listener])
    os._exit(0)


if __name__ == "__main__":
    main()
