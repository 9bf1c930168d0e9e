"""The floor: a bare Starlette application that answers canned bytes, and checks nothing."""

from __future__ import annotations

import json
import os

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from falkit_mock.core.network import listen

STATUS = json.dumps({"status": "COMPLETED", "request_id": "x" * 36, "logs": None}).encode()


async def submit(request: Request) -> Response:
    await request.body()
    return Response(STATUS, media_type="application/json")


async def status(request: Request) -> Response:
    return Response(STATUS, media_type="application/json")


async def media(request: Request) -> Response:
    return Response(bytes(17_250), media_type="video/mp4")


ROUTES = [
    Route("/submit", submit, methods=["POST"]),
    Route("/status", status),
    Route("/media", media),
]


def main() -> None:
    with listen("127.0.0.1", 0) as listener:
        print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
        config = uvicorn.Config(
            Starlette(routes=ROUTES), http="httptools", access_log=False, log_level="critical"
        )
        uvicorn.Server(config).run(sockets=[listener])
    os._exit(0)


if __name__ == "__main__":
    main()
