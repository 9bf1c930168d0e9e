"""The whole state: reset, exported as one file, imported from one."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from falkit_mock.control.errors import BrokenFile
from falkit_mock.control.exchange import answer, body_of, query_of
from falkit_mock.hosts.replies import REQUEST_ID
from falkit_mock.platform.platform import Platform
from falkit_mock.store.blobs import Piece

_TYPE = "application/x-tar"
_FILE_NAME = "falkit-state.tar"


def routes(platform: Platform) -> list[Route]:
    """Return the routes below /__falkit."""
    control = StateControl(platform)
    return [
        Route("/reset", control.reset, methods=["POST"]),
        Route("/state", control.export),
        Route("/state", control.restore, methods=["PUT"]),
    ]


class StateControl:
    """The operations on everything; one at a time changes it."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._turn = asyncio.Lock()

    async def reset(self, request: Request) -> Response:
        # Lazy, here and below: it imports what reads archives, and many mocks never do.
        from falkit_mock.platform import state

        body = await body_of(self._platform, request, "keep_rules")
        keep_rules = body.flag("keep_rules")
        async with self._turn:
            await state.reset(self._platform, keep_rules=keep_rules)
        return self._told()

    async def export(self, request: Request) -> Response:
        from falkit_mock.platform import state

        query_of(request)
        async with self._turn:
            made = await state.export(self._platform)
        headers = {
            REQUEST_ID: self._platform.identity.reply_id(),
            "content-length": str(made.size),
            "content-disposition": f'attachment; filename="{_FILE_NAME}"',
        }
        return StreamingResponse(made.chunks, headers=headers, media_type=_TYPE)

    async def restore(self, request: Request) -> Response:
        from falkit_mock.platform import state
        from falkit_mock.platform.archive import BadArchive

        blobs = self._platform.store.uploads.blobs
        sink = blobs.sink()
        piece: Piece | None = None
        try:
            async for chunk in request.stream():
                await asyncio.to_thread(sink.write, chunk)
            piece = sink.keep()
            async with self._turn:
                await state.restore(self._platform, blobs.folder / piece.blob)
        except BadArchive as error:
            raise BrokenFile(str(error)) from None
        finally:
            sink.drop()
        return self._told()

    def _told(self) -> Response:
        platform = self._platform
        jobs = len(platform.store.jobs())
        return answer(platform, {"seed": platform.identity.seed, "jobs": jobs})
