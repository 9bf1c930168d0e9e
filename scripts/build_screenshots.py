"""The pictures of the page in docs/pictures/page: each view, light and dark, wide and narrow.

The mock's clock is paused, its seed fixed and nothing moves, so the same page makes the same
pictures. `make screenshots` runs it, with names of views for those alone.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from time import sleep, time
from types import SimpleNamespace
from typing import Any, Literal
from unittest.mock import patch
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, expect

from browsing import browsing
from falkit import Settings
from falkit_mock.core.clock import ManualClock
from receiver import Received, Reply, receiving
from serving import Mock, running

FOLDER = Path(__file__).parents[1] / "docs/pictures/page"
# 2027-01-15 08:00 UTC.
START = 1_800_000_000.0
MOCK_PORT, RECEIVER_PORT = 4325, 3000
SIZES: tuple[ViewportSize, ...] = ({"width": 1280, "height": 800}, {"width": 390, "height": 844})
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
# Where time is measured that a picture shows: there each look at the watch takes as long.
WATCHES = ("falkit_mock.hosts", "falkit_mock.app")
STEP = 0.0007

T2V, FAST = "fal-ai/ltx-2/text-to-video", "fal-ai/ltx-2/text-to-video/fast"
I2V = "fal-ai/ltx-2/image-to-video"
FLUX, SPEECH = "fal-ai/flux/dev", "fal-ai/elevenlabs/tts/eleven-v3"
SHOP, STUDIO = {"authorization": "Key shop:1"}, {"authorization": "Key studio:1"}
STUDIO_APP = {**STUDIO, "user-agent": "studio-app/2.3"}

# From the top to the bottom of a sky: red, green, blue.
_DUSK = ((38, 244), (58, 168), (110, 96))


def main() -> None:
    wanted = sys.argv[1:]
    FOLDER.mkdir(parents=True, exist_ok=True)
    ticks, sends = itertools.count(), itertools.count()
    settings = Settings(
        timing="4,12",
        seed=7,
        concurrency=0,
        budget="3.00",
        alert_at=("1.00", "2.50"),
        webhook_timestamps="mock",
    )
    with (
        receiving(_answered, RECEIVER_PORT) as receiver,
        running(settings, ManualClock(START), port=MOCK_PORT) as mock,
    ):
        for name in WATCHES:
            patch(f"{name}.perf_counter", lambda: next(ticks) * STEP).start()
        # One request at a time: what is due is awaited after each step of the clock.
        watch = SimpleNamespace(perf_counter=lambda: next(sends) * 10 * STEP, time=time)
        patch("falkit_mock.webhooks.delivery.time", watch).start()
        views = _course(mock, receiver.url)
        with browsing() as browser:
            for picture in _pictures(browser, mock.url, views, wanted):
                print(f"{picture.stat().st_size:7,} {picture.name}")
    total = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"{total:,} in all")


def _answered(request: Received) -> Reply:
    """Take webhooks, except those for the path of a service that is down."""
    if request.path.endswith("/thumbnails"):
        return Reply(503, {"content-type": "text/plain"}, b"database is down")
    return Reply(200, {"content-type": "application/json"}, b'{"received":true}')


def _course(mock: Mock, hook: str) -> dict[str, str]:
    """Do what two programs might; return the views to show of it, as routes."""
    webhook = {"fal_webhook": hook}

    def submit(input: dict[str, Any], endpoint: str = T2V, **options: Any) -> dict[str, Any]:
        options.setdefault("headers", SHOP)
        return mock.submit(input, endpoint, **options)

    def ended(job: dict[str, Any], seconds: float = 16) -> dict[str, Any]:
        _advance(mock, seconds)
        assert mock.status(job)["status"] == "COMPLETED"
        mock.result(job)
        return job

    rules = [
        'content_policy_violation prompt="(?i)explosion"',
        "image_load_error endpoint=*/image-to-video times=1",
        "latency seconds=0 on=status probability=0.05",
    ]
    mock.http.headers.update(SHOP)
    for rule in rules:
        mock.http.post("/__falkit/rules", json={"rule": rule}).raise_for_status()
    photo = _upload(mock, "harbour.jpg", _photo())
    clip = ended(submit({"prompt": "A lighthouse in the rain", "duration": 8}, params=webhook))
    ended(submit({"prompt": "A paper boat on a river of light, seen from above"}, FLUX))
    bad = {"prompt": "The boat turns into the wind", "duration": 7, "colour": "warm"}
    failed = ended(submit(bad, params=webhook, headers=STUDIO_APP))
    _advance(mock, 40)
    ended(submit({"image_url": photo, "prompt": "Slow zoom on the harbour"}, I2V))
    ended(submit({"text": "Welcome aboard. We sail at eight."}, SPEECH, headers=STUDIO_APP))
    ended(submit({"prompt": "An explosion over the bay"}, FAST, headers=STUDIO_APP))
    picture = {"prompt": "Poster of a sailing race, bold shapes", "image_size": "portrait_4_3"}
    down = {"fal_webhook": hook.replace("/hook", "/thumbnails")}
    ended(submit(picture, FLUX, params=down))
    wrapped = {"input": {"prompt": "Fog over the pier"}}
    submit(wrapped, headers=STUDIO_APP)
    submit({"prompt": "Fog over the pier", "duration": "6"}, headers=STUDIO_APP)
    _advance(mock, 30)
    ended(submit({"image_url": photo, "prompt": "Gulls cross the frame"}, I2V, params=webhook))
    gone = submit({"prompt": "Fireworks above the old town"}, FAST)
    mock.cancel(gone)
    held = submit({"prompt": "Credits roll over the open sea"}, FAST)
    mock.http.post(f"/__falkit/jobs/{held['request_id']}/hold").raise_for_status()
    for prompt in ("Sunrise behind the cranes", "A dog on the deck", "Ropes, close up"):
        job = submit({"prompt": prompt}, params=webhook)
        _advance(mock, 3)
    mock.status(job)
    submit({"prompt": "A quiet street after rain, film grain"}, FLUX, headers=STUDIO_APP)
    _advance(mock, 0.5)
    chosen = quote('{"prompt":"A lighthouse in the rain","duration":20}')
    playground = f"playground/fal-ai/ltx-2/text-to-video/fast?input={chosen}"
    return {
        "jobs": "jobs",
        "job": f"jobs/{clip['request_id']}",
        "job-failed": f"jobs/{failed['request_id']}",
        "requests": "requests",
        "request": f"requests/{_refused(mock)}",
        "webhooks": "webhooks",
        "findings": "findings",
        "spend": "spend",
        "files": "files",
        "control": "control",
        "playground": playground,
        "endpoints": "endpoints",
        "endpoint": "endpoints/fal-ai/ltx-2/text-to-video/fast",
    }


def _advance(mock: Mock, seconds: float) -> None:
    """Move the clock in steps, each once the webhooks that were due are answered."""
    while seconds > 0:
        mock.advance(min(1, seconds))
        seconds -= 1
        for _ in range(1000):
            done = mock.http.get("/__falkit/jobs?status=COMPLETED&limit=1000").json()["jobs"]
            ended = {one["request_id"] for one in done}
            pending = mock.http.get("/__falkit/webhooks").json()["pending"]
            due = [one for one in pending if one["request_id"] in ended]
            if all((one["next"] or 0) > mock.clock.now() for one in due):
                break
            sleep(0.005)


def _upload(mock: Mock, name: str, content: bytes) -> str:
    about = {"content_type": "image/jpeg", "file_name": name}
    params = {"storage_type": "fal-cdn-v3"}
    path = "/rest.fal.ai/storage/upload/initiate"
    told = mock.http.post(path, params=params, json=about, headers=SHOP).json()
    headers = {"content-type": "image/jpeg"}
    mock.http.put(told["upload_url"], content=content, headers=headers).raise_for_status()
    url: str = told["file_url"]
    return url


def _photo() -> bytes:
    """Return a picture that passes for the sea at dusk."""
    across = Image.linear_gradient("L").resize((1920, 1080))
    bands = [across.point([a + (b - a) * at // 255 for at in range(256)]) for a, b in _DUSK]
    written = BytesIO()
    Image.merge("RGB", bands).save(written, "JPEG", quality=85)
    return written.getvalue()


def _refused(mock: Mock) -> int:
    """Return the number of the newest request that was answered 422."""
    requests = mock.http.get("/__falkit/requests").json()["requests"]
    number: int = next(one["number"] for one in requests if one["status"] == 422)
    return number


def _pictures(
    browser: Browser, url: str, views: dict[str, str], wanted: list[str]
) -> Iterator[Path]:
    for scheme, size in itertools.product(SCHEMES, SIZES):
        with browser.new_context(
            viewport=size, color_scheme=scheme, reduced_motion="reduce", timezone_id="UTC"
        ) as context:
            page = context.new_page()
            for name, route in views.items():
                if wanted and name not in wanted:
                    continue
                page.goto(f"{url}/#/{route}")
                _settle(page)
                path = FOLDER / f"{name}-{scheme}-{size['width']}.webp"
                _write(path, page.screenshot(caret="hide"))
                yield path


def _settle(page: Page) -> None:
    """Wait until nothing is being read any more, and pictures and clips are there."""
    expect(page.locator(".connection")).to_have_text("Live")
    expect(page.locator(".loading")).to_have_count(0)
    # Of a clip of which only the beginning is there, Chromium shows that it loads.
    page.evaluate(
        """() => document.querySelectorAll("video[controls]").forEach(
            (one) => { one.preload = "auto"; })"""
    )
    page.wait_for_function(
        """() => document.querySelector("main h1") &&
            [...document.images].every((one) => one.complete || one.loading === "lazy") &&
            [...document.querySelectorAll("video, audio")].every(
                (one) => one.preload === "none" || one.error
                    || one.readyState > (one.controls ? 3 : 1))"""
    )
    # An event stream never ends, so a page with one is never idle.
    # The player fades its own pictures out.
    page.wait_for_timeout(1500 if page.locator("video[controls]").count() else 500)


def _write(path: Path, png: bytes) -> None:
    """Write a picture as it is: WebP without loss is small where most is text."""
    with Image.open(BytesIO(png)) as shot:
        shot.convert("RGB").save(path, "WEBP", lossless=True, quality=100, method=4)


if __name__ == "__main__":
    main()
