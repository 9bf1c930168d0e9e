"""What is done wrong with fal: each class is the shop, or its client, with one mistake.

They are written as they are met in public code.
"""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from applications.clipshop.fal import Fal, Json, Unsure
from applications.clipshop.shop import Clip, Shop

_QUEUE = "https://queue.fal.run"


class WholeIdUrl(Fal):
    """Builds the status URL of the endpoint that it submitted to."""

    def status(self, endpoint: str, job: Json, logs: bool = False) -> Json:
        url = f"{_QUEUE}/{endpoint}/requests/{job['request_id']}/status"
        return dict(self.http.get(url, headers=self.auth).raise_for_status().json())


class ResponseUrl(Fal):
    """Fetches the result where some examples have it."""

    def result(self, endpoint: str, job: Json) -> Json:
        url = job["status_url"].replace("/status", "/response")
        return dict(self.http.get(url, headers=self.auth).raise_for_status().json())


class InventedUrl(Fal):
    """Takes it that logs have a URL of their own."""

    def logs(self, endpoint: str, job: Json) -> list[str]:
        url = job["status_url"].replace("/status", "/logs")
        reply = self.http.get(url, headers=self.auth)
        return list(reply.json()["logs"]) if reply.is_success else []


class InputWrapper(Fal):
    """Sends what @fal-ai/client's caller writes, and not what that client sends."""

    def submit(self, endpoint: str, wanted: Json, **more: Any) -> Json:
        return super().submit(endpoint, {"input": wanted}, **more)


class TextNumbers(Shop):
    """Passes a form's fields on as they come: as text."""

    def form(self, fields: dict[str, str]) -> Json:
        return {"prompt": fields["prompt"], "duration": fields.get("seconds", "6")}


class ReadyWhenCompleted(Shop):
    """Takes COMPLETED for a success; the page then plays what there is."""

    def poll(self, clip: Clip) -> Clip:
        if self.fal.status(clip.endpoint, clip.job)["status"] == "COMPLETED":
            clip.state, clip.url = "ready", clip.job["response_url"]
        return clip


class WaitsForFailed(Fal):
    """Expects a failed job to be FAILED some day."""

    def wait(self, endpoint: str, job: Json, limit: float = 600.0) -> Json:
        until = self.now() + limit
        while self.now() < until:
            status = self.status(endpoint, job)["status"]
            if status in ("FAILED", "CANCELLED"):
                raise RuntimeError(status)
            if status == "COMPLETED":
                reply = self.http.get(job["response_url"], headers=self.auth)
                if reply.is_success:
                    return dict(reply.json())
            self.sleep(2.0)
        raise TimeoutError("the job neither succeeded nor failed")


class ExpectsFailed(Fal):
    """Looks at nothing but the status, and takes COMPLETED with an error for a stage on the way."""

    def wait(self, endpoint: str, job: Json, limit: float = 600.0) -> Json:
        until = self.now() + limit
        while self.now() < until:
            told = self.status(endpoint, job)
            if told["status"] in ("FAILED", "CANCELLED"):
                raise RuntimeError(told["status"])
            if told["status"] == "COMPLETED" and not told.get("error"):
                return self.result(endpoint, job)
            self.sleep(2.0)
        raise TimeoutError("the job neither succeeded nor failed")


class EarlyResult(Fal):
    """Asks for the result after a while; what isn't a success then is a failure."""

    def wait(self, endpoint: str, job: Json, limit: float = 600.0) -> Json:
        self.sleep(5.0)
        return self.result(endpoint, job)


class RetriesAll(Shop):
    """Tries again whatever went wrong, as a decorator does that knows exceptions alone."""

    def render(self, clip: Clip) -> Clip:
        for _ in range(3):
            if super().render(clip).state == "ready":
                break
            self.fal.sleep(5.0)
        return clip


class RetriesSubmits(Fal):
    """Submits again where no reply came."""

    def submit(self, endpoint: str, wanted: Json, **more: Any) -> Json:
        for _ in range(4):
            try:
                return super().submit(endpoint, wanted, **more)
            except Unsure:
                self.sleep(1.0)
        raise TimeoutError("fal can't be reached")


class Impatient(Fal):
    """Polls as fast as it can."""

    def wait(self, endpoint: str, job: Json, limit: float = 600.0) -> Json:
        looks = 0
        while self.status(endpoint, job)["status"] != "COMPLETED":
            looks += 1
            if looks % 40 == 0:
                # What else this thread has to do.
                self.sleep(10.0)
        return self.result(endpoint, job)


class Endless(Fal):
    """Polls for as long as it takes."""

    def wait(self, endpoint: str, job: Json, limit: float = 600.0) -> Json:
        while self.status(endpoint, job)["status"] != "COMPLETED":
            self.sleep(30.0)
        return self.result(endpoint, job)


class GivesUp(Fal):
    """Stops waiting, and leaves the job to run and be paid."""

    def wait(self, endpoint: str, job: Json, limit: float = 600.0) -> Json:
        until = self.now() + limit
        while self.status(endpoint, job)["status"] != "COMPLETED":
            if self.now() >= until:
                raise TimeoutError(f"no clip within {limit:g} s")
            self.sleep(2.0)
        return self.result(endpoint, job)


class LeaksKey(Shop):
    """Uses one session, with its headers, for all the world."""

    def fetch_photo(self, url: str) -> bytes:
        reply = self.fal.http.get(url, headers=self.fal.auth)
        return reply.content if reply.is_success else b""


class LocalPhotos(Shop):
    """Gives fal the address at which the developer's browser finds the photo."""

    def photo_url(self, name: str, data: bytes) -> str:
        return f"http://localhost:8000/photos/{name}"


class SlashedHook(Shop):
    """Has the route with a slash at its end, and the URL without: the framework redirects."""

    def routes(self) -> list[Route]:
        return [Route("/hooks/fal/", self.hook(), methods=["POST"]), *super().routes()[:2]]


class SlowHook(Shop):
    """Works on the clip before it answers."""

    def hooked(self, clip: Clip, told: Json) -> None:
        self.fal.sleep(40.0)
        super().hooked(clip, told)


class BreaksOnRepeat(Shop):
    """Has no place for a second webhook of the same job."""

    def hooked(self, clip: Clip, told: Json) -> None:
        super().hooked(self.open.pop(clip.number), told)


class SequelEachTime(Shop):
    """Does all of it, and orders what comes next, whenever it is told."""

    def hooked(self, clip: Clip, told: Json) -> None:
        clip.state = "rendering"
        super().hooked(clip, told)


class TrustsAll(Shop):
    """Takes what comes for fal's."""

    def answer(self, headers: Any, body: bytes, number: int) -> Response:
        self.hooked(self.clips[number], json.loads(body))
        return Response(status_code=204)


class Reserialises(Shop):
    """Verifies JSON that the framework has read, written again."""

    def answer(self, headers: Any, body: bytes, number: int) -> Response:
        return super().answer(headers, json.dumps(json.loads(body)).encode(), number)


class KeepsUrls(Shop):
    """Keeps a clip's URL in place of its file."""

    def finish(self, clip: Clip, output: Json) -> None:
        clip.state, clip.url = "ready", output["video"]["url"]

    def play(self, clip: Clip) -> bytes:
        reply = self.fal.http.get(clip.url)
        return reply.content if reply.is_success else b""


if __name__ == "__main__":
    from applications.clipshop.__main__ import main

    main(TrustsAll, WholeIdUrl)
