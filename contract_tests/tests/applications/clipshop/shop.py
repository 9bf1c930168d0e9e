"""The shop: orders of clips, what became of them, and the service around it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from applications.clipshop.fal import Fal, FalError, Json, Unsure

TEXT = "fal-ai/ltx-2.3/text-to-video/fast"
PHOTO = "fal-ai/ltx-2.3/image-to-video/fast"
EXTEND = "fal-ai/ltx-2.3/extend-video"


@dataclass
class Clip:
    """One order; `state` is `new`, `unsure`, `rendering`, `ready` or `failed`."""

    number: int
    wanted: Json
    endpoint: str = TEXT
    state: str = "new"
    job: Json = field(default_factory=dict[str, Any])
    url: str = ""
    data: bytes = b""
    problem: str = ""


class Shop:
    """Keeps clips in a dictionary, as a service would in a database."""

    # Seconds that a customer waits for a clip.
    patience = 600.0

    def __init__(self, fal: Fal, public_url: str) -> None:
        self.fal = fal
        self.public_url = public_url
        # Of each submit, such as how long fal is to keep the files.
        self.headers: dict[str, str] = {}
        self.clips: dict[int, Clip] = {}
        # Those that fal is asked for, and hasn't told of.
        self.open: dict[int, Clip] = {}
        # Whether clips are made longer, once they are there.
        self.sequels = False

    def new(self, wanted: Json, endpoint: str = TEXT) -> Clip:
        """Note an order, before anything is asked of fal."""
        clip = Clip(len(self.clips) + 1, wanted, endpoint)
        self.clips[clip.number] = clip
        return clip

    def form(self, fields: dict[str, str]) -> Json:
        """Return the input that an HTML form asks for."""
        wanted: Json = {"prompt": fields["prompt"]}
        if "seconds" in fields:
            wanted["duration"] = int(fields["seconds"])
        return wanted

    # With a worker that waits.

    def render(self, clip: Clip) -> Clip:
        """Have a clip made, wait for it, and keep its file."""
        try:
            self.start(clip)
            self.finish(clip, self.fal.wait(clip.endpoint, clip.job, self.patience))
        except (FalError, Unsure, httpx.HTTPError, TimeoutError) as error:
            clip.state = "unsure" if isinstance(error, Unsure) else "failed"
            clip.problem = str(error)
        return clip

    def start(self, clip: Clip, webhook: bool = False) -> None:
        """Submit a clip, and note its job."""
        hook = self.hook_url(clip) if webhook else None
        clip.job = self.fal.submit(clip.endpoint, clip.wanted, webhook=hook, headers=self.headers)
        clip.state = "rendering"

    def finish(self, clip: Clip, output: Json) -> None:
        """Keep a clip's file, since fal doesn't for ever."""
        clip.url = output["video"]["url"]
        clip.data = self.fal.download(clip.url)
        clip.state = "ready"

    # With a poller, which a timer calls.

    def poll(self, clip: Clip) -> Clip:
        """Look once what has become of a clip."""
        if self.fal.status(clip.endpoint, clip.job)["status"] == "COMPLETED":
            try:
                self.finish(clip, self.fal.result(clip.endpoint, clip.job))
            except FalError as error:
                clip.state, clip.problem = "failed", str(error)
        return clip

    # With webhooks.

    def hook_url(self, clip: Clip) -> str:
        """Return where fal tells how a clip went; its number finds it even without a job's id."""
        return f"{self.public_url}/hooks/fal?clip={clip.number}"

    def order(self, clip: Clip) -> Clip:
        """Have a clip made, and don't wait."""
        self.open[clip.number] = clip
        try:
            self.start(clip, webhook=True)
        except Unsure:
            # Its webhook will tell.
            clip.state = "unsure"
        return clip

    def hooked(self, clip: Clip, told: Json) -> None:
        """Note how a clip went; only once, since fal may tell it again."""
        if clip.state in ("ready", "failed"):
            return
        self.open.pop(clip.number, None)
        if told["status"] == "OK":
            clip.state, clip.url = "ready", told["payload"]["video"]["url"]
            self.sequel(clip)
        else:
            clip.state, clip.problem = "failed", told["error"]

    def sequel(self, clip: Clip) -> None:
        """Order what comes after a clip."""
        if self.sequels and clip.endpoint != EXTEND:
            self.order(self.new({"video_url": clip.url, "duration": 4}, EXTEND))

    def answer(self, headers: Any, body: bytes, number: int) -> Response:
        """Answer a webhook: noted, not fal's, or of a clip that isn't known."""
        if not self.fal.signed(headers, body):
            return Response("not signed by fal", 401)
        if number not in self.clips:
            return Response("no such clip", 404)
        self.hooked(self.clips[number], json.loads(body))
        return Response(status_code=204)

    def app(self) -> Starlette:
        """Return the service."""
        return Starlette(routes=self.routes())

    def routes(self) -> list[Route]:
        """Return what the service answers."""

        def place(request: Request) -> Response:
            fields = {name: str(text) for name, text in request.query_params.items()}
            clip = self.order(self.new(self.form(fields)))
            return JSONResponse({"clip": clip.number, "state": clip.state}, 202)

        def show(request: Request) -> Response:
            clip = self.clips.get(int(request.path_params["number"]))
            if clip is None:
                return Response(status_code=404)
            return JSONResponse({"clip": clip.number, "state": clip.state, "url": clip.url})

        return [
            Route("/clips", place, methods=["POST"]),
            Route("/clips/{number:int}", show),
            Route("/hooks/fal", self.hook(), methods=["POST"]),
        ]

    def hook(self) -> Callable[[Request], Any]:
        """Return the endpoint of webhooks."""

        async def hook(request: Request) -> Response:
            # Blocks, so not on the loop.
            body = await request.body()
            number = int(request.query_params.get("clip", "0"))
            return await run_in_threadpool(self.answer, request.headers, body, number)

        return hook

    # Pictures of customers.

    def photo_url(self, name: str, data: bytes) -> str:
        """Return where fal can read a customer's photo."""
        return self.fal.upload(name, "image/png", data)

    def fetch_photo(self, url: str) -> bytes:
        """Return a photo that a customer has elsewhere; empty if it can't be had."""
        reply = self.fal.http.get(url)
        return reply.content if reply.is_success else b""

    def play(self, clip: Clip) -> bytes:
        """Return a clip's file."""
        return clip.data or self.fal.download(clip.url)
