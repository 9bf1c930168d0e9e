"""What looks like a mistake and is none: nothing may be found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from applications.clipshop.fal import Fal, FalError, Json, Unsure
from applications.clipshop.shop import PHOTO, TEXT, Clip, Shop
from applications.staging import HOUR, OLD, RAIN, REFUSED, Open, Stage, failing, renders, with_fault

_QUEUE = "https://queue.fal.run"
KLING = "fal-ai/kling-video/v2.6/pro/text-to-video"


class PollsResult(Fal):
    """Asks for the result until it is there, as the AI SDK does."""

    def wait(self, endpoint: str, job: Json, limit: float = 600.0) -> Json:
        while True:
            try:
                return self.result(endpoint, job)
            except FalError as error:
                if "Request is still in progress" not in str(error):
                    raise
            self.sleep(2.0)


class Follows(Fal):
    """Follows the stream of statuses."""

    def wait(self, endpoint: str, job: Json, limit: float = 600.0) -> Json:
        self.sleep(60.0)
        url = f"{job['status_url']}/stream"
        assert '"COMPLETED"' in self.http.get(url, headers=self.auth).text
        return self.result(endpoint, job)


class RetriesIngress(Fal):
    """Submits again where fal's ingress, and not fal, has answered."""

    def submit(self, endpoint: str, wanted: Json, **more: Any) -> Json:
        for _ in range(4):
            try:
                return super().submit(endpoint, wanted, **more)
            except FalError as error:
                if error.status != 503:
                    raise
            self.sleep(1.0)
        raise TimeoutError


class LooksFirst(Fal):
    """Looks among the account's requests before it submits again."""

    def submit(self, endpoint: str, wanted: Json, **more: Any) -> Json:
        try:
            return super().submit(endpoint, wanted, **more)
        except Unsure:
            self.sleep(60.0)
            url = "https://api.fal.ai/v1/models/requests/by-endpoint"
            found = self.http.get(url, params={"endpoint_id": endpoint}, headers=self.auth)
            for item in found.raise_for_status().json()["items"]:
                base = f"{_QUEUE}/fal-ai/ltx-2.3/requests/{item['request_id']}"
                return {"status_url": f"{base}/status", "response_url": base}
            return super().submit(endpoint, wanted, **more)


class RetriesServers(Shop):
    """Has a clip made again where fal, and not the order, was to blame."""

    def render(self, clip: Clip) -> Clip:
        if super().render(clip).state == "failed" and "answered 5" in clip.problem:
            super().render(clip)
        return clip


class NotYet(Shop):
    """Has webhooks of clips that it doesn't know come again, such as one before the reply."""

    def answer(self, headers: Any, body: bytes, number: int) -> Response:
        if self.clips[number].state == "new" and self.fal.signed(headers, body):
            return Response("not known yet", 503)
        return super().answer(headers, body, number)


def _made(wanted: Json, endpoint: str = TEXT) -> Callable[[Stage], object]:
    """Return what has a clip made that has to be there at the end."""

    def make(stage: Stage) -> None:
        clip = stage.shop.render(stage.shop.new(wanted, endpoint))
        assert clip.state == "ready", clip.problem

    return make


def _told_and_asked(stage: Stage) -> None:
    clip = stage.hooked(REFUSED)
    assert clip.state == "failed"


def _pages(stage: Stage) -> None:
    """Webhooks have told how two jobs went; a page that is looked at often shows the status."""
    for wanted, state in ((RAIN, "ready"), (REFUSED, "failed")):
        clip = stage.shop.order(stage.shop.new(wanted))
        stage.after(60.0)
        assert clip.state == state
        for _ in range(10):
            assert stage.fal.status(clip.endpoint, clip.job)["status"] == "COMPLETED"
            stage.after(20.0)


def _lost(stage: Stage) -> None:
    clip = stage.shop.order(stage.shop.new(REFUSED))
    stage.after(600.0)
    assert stage.shop.poll(clip).state == "failed"


def _cancelled(stage: Stage) -> None:
    clip = stage.shop.new(RAIN)
    stage.shop.start(clip)
    stage.after(15.0)
    assert stage.fal.status(clip.endpoint, clip.job)["status"] == "IN_PROGRESS"
    stage.fal.cancel(clip.endpoint, clip.job)
    stage.after(60.0)
    assert stage.fal.status(clip.endpoint, clip.job)["status"] == "COMPLETED"


def _two_customers(stage: Stage) -> None:
    for clip in [stage.shop.order(stage.shop.new(RAIN)) for _ in range(3)]:
        stage.after(60.0)
        assert clip.state == "ready"


def _two_refused(stage: Stage) -> None:
    """Two customers ask for the same, which is refused to both, before either knows."""
    clips = [stage.shop.new(REFUSED) for _ in range(2)]
    for clip in clips:
        stage.shop.start(clip)
    stage.after(60.0)
    for clip in clips:
        assert stage.shop.poll(clip).state == "failed"


def _corrected(stage: Stage) -> None:
    for wanted in ({"prompt": ""}, RAIN):
        stage.shop.render(stage.shop.new(wanted))


def _tabs(stage: Stage) -> None:
    """Three tabs of a browser show the same clip, and ask at the same moments."""
    clip = stage.shop.new(RAIN)
    stage.shop.start(clip)
    while clip.state == "rendering":
        for _ in range(3):
            stage.fal.status(clip.endpoint, clip.job)
        stage.shop.poll(clip)
        stage.after(2.0)


def _impatient_customer(stage: Stage) -> None:
    """A click on a button asks at once, beside the timer."""
    clip = stage.shop.new(RAIN)
    stage.shop.start(clip)
    for _ in range(5):
        stage.shop.poll(clip)
        stage.after(8.0)
        stage.shop.poll(clip)


def _downloads(stage: Stage) -> None:
    url = stage.shop.render(stage.shop.new(RAIN)).url
    for method, headers in (("HEAD", {}), ("GET", {"Range": "bytes=0-99"}), ("GET", {})):
        assert stage.fal.http.request(method, url, headers=headers).is_success
    # Of fal's own, and its key does no harm there.
    stage.fal.http.get(url, headers=stage.fal.auth)


def _hosts_of_fal(stage: Stage) -> None:
    fal = stage.fal
    for url in (
        "https://api.fal.ai/v1/models?limit=1",
        "https://queue.falrun.com/fal-ai/ltx-2.3/requests/019b76da-a801-74c7-aab7-01d3c98e3dee",
        "https://rest.alpha.fal.ai/.well-known/jwks.json",
    ):
        fal.http.get(url, headers=fal.auth)
    token = fal.http.post(
        "https://rest.fal.ai/storage/auth/token?storage_type=fal-cdn-v3", json={}, headers=fal.auth
    ).json()
    kind = {"Content-Type": "text/plain"}
    bearer = {"Authorization": f"{token['token_type']} {token['token']}", **kind}
    sent = fal.http.post("https://v3.fal.media/files/upload", content=b"rain", headers=bearer)
    assert fal.http.get(sent.json()["access_url"]).content == b"rain"


def _late(stage: Stage) -> None:
    """A result is looked at again when it is gone; its file was kept."""
    clip = stage.shop.render(stage.shop.new(RAIN))
    stage.after(5 * HOUR)
    with pytest.raises(FalError, match="404"):
        stage.fal.result(clip.endpoint, clip.job)


def _started_late(stage: Stage) -> None:
    """A job that doesn't start in its time is submitted again with the same input."""
    shop = stage.shop
    shop.headers = {"X-Fal-Request-Timeout": "5"}
    assert "504" in shop.render(shop.new(RAIN)).problem
    shop.headers = {}
    assert shop.render(shop.new(RAIN)).state == "ready"


def _wide_queue(stage: Stage) -> None:
    stage.shop.patience = HOUR
    assert stage.shop.render(stage.shop.new(RAIN)).state == "ready"


def _before_reply(stage: Stage) -> None:
    clip = stage.shop.order(stage.shop.new(RAIN))
    stage.after(3 * HOUR)
    assert clip.state == "ready"


RIGHT: dict[str, tuple[Callable[[Stage], object], type[Shop], type[Fal]]] = {
    "polls the result": (_made(RAIN), Shop, PollsResult),
    "polls a result that is an error": (renders(REFUSED), Shop, PollsResult),
    "follows the statuses": (_made(RAIN), Shop, Follows),
    "is told of a failure": (_told_and_asked, Shop, Fal),
    "is told by webhooks, and shows the status": (_pages, Shop, Fal),
    "asks since no webhook came": (with_fault("webhook_lost", _lost), Shop, Fal),
    "cancels, and looks whether that was done": (_cancelled, Shop, Fal),
    "retries an ingress error": (
        with_fault("ingress_error times=2", _made(RAIN)),
        Shop,
        RetriesIngress,
    ),
    "looks before it submits again": (
        with_fault("reply_lost on=submit times=1", _made(RAIN)),
        Shop,
        LooksFirst,
    ),
    "submits again what was not accepted": (
        with_fault("connection_reset on=submit times=1", _made(RAIN)),
        Shop,
        LooksFirst,
    ),
    "retries fal's own failure": (
        with_fault("internal_server_error times=1", _made(RAIN)),
        RetriesServers,
        Fal,
    ),
    "retries a timeout": (_started_late, Shop, Fal),
    "has the same made for several": (_two_customers, Shop, Fal),
    "has the same refused to two at once": (_two_refused, Shop, Fal),
    "corrects its input": (_corrected, Shop, Fal),
    "is asked by three tabs": (_tabs, Shop, Fal),
    "is asked by a button": (_impatient_customer, Shop, Fal),
    "waits in a long queue": (with_fault("stuck seconds=1500", _wide_queue), Shop, Fal),
    "reads files in several ways": (_downloads, Shop, Fal),
    "sends its key to fal's other hosts": (_hosts_of_fal, Shop, Fal),
    "reads a result that is gone": (_late, Shop, Fal),
    "has a webhook come again": (with_fault("webhook_before_reply", _before_reply), NotYet, Fal),
    "is told twice and late": (with_fault("webhook_slow", _before_reply), Shop, Fal),
    "refuses a forgery": (with_fault("webhook_tampered attempts=2", _before_reply), Shop, Fal),
    "is told by an unknown key": (
        with_fault("webhook_unknown_key attempts=1", _before_reply),
        Shop,
        Fal,
    ),
    "shows localhost in a picture": (
        _made({"prompt": "A neon sign that says http://localhost:8000/x.png"}),
        Shop,
        Fal,
    ),
    "has text of digits where that is listed": (
        _made({**RAIN, "duration": "5"}, KLING),
        Shop,
        Fal,
    ),
    "has a field of that name": (
        _made({**RAIN, "input": {"prompt": "Rain"}}, OLD),
        Shop,
        Fal,
    ),
    "has a public photo": (
        _made(
            {"prompt": "It blinks", "image_url": "https://localhost.example.com/10.0.0.1.png"},
            PHOTO,
        ),
        Shop,
        Fal,
    ),
}


@pytest.mark.parametrize("name", RIGHT)
def test_nothing_is_found_where_it(name: str, staged: Open) -> None:
    play, shop, fal = RIGHT[name]
    stage = staged(shop, fal)
    play(stage)
    assert failing(stage) == []


def test_nothing_is_found_of_a_photo_elsewhere(staged: Open) -> None:
    stage = staged()
    assert stage.shop.fetch_photo("http://photos.customer.example/cat.png") == b""
    with pytest.raises(httpx.HTTPError):
        stage.fal.http.get("https://photos.customer.example/cat.png").raise_for_status()
    assert failing(stage) == []


def test_a_submit_of_nothing_more_is_no_abandoned_job(staged: Open) -> None:
    stage = staged()
    stage.shop.start(stage.shop.new({**RAIN, "prompt": TEXT}))
    stage.after(HOUR)
    assert failing(stage) == []
