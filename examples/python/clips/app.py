"""The service: takes orders and webhooks, shows clips. It calls fal for nothing but its keys.

CLIPS_FOLDER=data uvicorn --factory clips.app:create_app
"""

import json
from typing import Annotated, Self

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from clips.signature import is_fals
from clips.store import Clip, Store

router = APIRouter()


def create_app(store: Store | None = None) -> FastAPI:
    app = FastAPI(title="Clips")
    app.state.store = store or Store.from_environ()
    app.include_router(router)
    return app


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


def _clip(clip_id: str, store: Annotated[Store, Depends(_store)]) -> Clip:
    clip = store.get(clip_id)
    if clip is None:
        raise HTTPException(404, "there is no such clip")
    return clip


class Order(BaseModel):
    prompt: str = Field(min_length=1, max_length=5000)


class Shown(BaseModel):
    id: str
    status: str
    error: str | None

    @classmethod
    def of(cls, clip: Clip) -> Self:
        return cls(id=clip.id, status=clip.status, error=clip.error)


@router.post("/clips", status_code=202)
async def order(order: Order, store: Annotated[Store, Depends(_store)]) -> Shown:
    """Note an order. The worker submits it."""
    return Shown.of(store.add(order.prompt))


@router.get("/clips/{clip_id}")
async def show(clip: Annotated[Clip, Depends(_clip)]) -> Shown:
    return Shown.of(clip)


@router.get("/clips/{clip_id}/video.mp4")
async def video(
    clip: Annotated[Clip, Depends(_clip)], store: Annotated[Store, Depends(_store)]
) -> FileResponse:
    if clip.status != "ready":
        raise HTTPException(404, f"the clip is {clip.status}")
    return FileResponse(store.path(clip), media_type="video/mp4")


@router.post("/fal")
async def fal(
    request: Request, store: Annotated[Store, Depends(_store)], clip: str = ""
) -> Response:
    """Take a webhook of fal's: note how the job ended, and leave the rest to the worker."""
    # Raw: JSON that is read and written again is no longer what was signed.
    body = await request.body()
    if not await is_fals(request.headers, body):
        return Response("not fal's", 401)
    delivery = json.loads(body)
    found = store.find(delivery["request_id"], token=clip)
    if found is None:
        # Its submit may not have returned yet. fal comes again.
        return Response("not known yet", 503)
    if found.request_id is None:
        store.update(found, request_id=delivery["request_id"])
    if delivery["status"] != "OK":
        store.finish(found, error=json.dumps(delivery["payload"] or delivery["error"]))
    elif delivery["payload"] is None:
        # The output wasn't JSON, or too large: the worker reads it from the queue.
        store.update(found, due=0.0)
    else:
        store.finish(found, url=delivery["payload"]["video"]["url"])
    return Response()
