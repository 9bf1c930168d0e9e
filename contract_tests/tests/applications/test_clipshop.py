"""A shop for clips with one mistake after the other, each found by its own code, and without."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import pytest
from PIL import Image

import falkit
from applications import mistakes
from applications.clipshop.fal import Fal, Json
from applications.clipshop.shop import PHOTO, TEXT, Shop
from applications.staging import (
    HOUR,
    OLD,
    RAIN,
    REFUSED,
    Open,
    Stage,
    calling,
    failing,
    renders,
    with_fault,
)
from serving import KEY, PATIENCE


def _logs(stage: Stage) -> None:
    clip = stage.shop.new(RAIN)
    stage.shop.start(clip)
    stage.after(15.0)
    stage.fal.logs(clip.endpoint, clip.job)
    stage.after(60.0)
    stage.shop.poll(clip)


def _form(stage: Stage) -> None:
    wanted = stage.shop.form({"prompt": "Rain", "seconds": "8"})
    stage.shop.render(stage.shop.new(wanted))


def _photo(stage: Stage) -> None:
    url = stage.shop.photo_url("cat.png", _png())
    stage.shop.render(stage.shop.new({"prompt": "The cat blinks", "image_url": url}, PHOTO))


def _kept(stage: Stage) -> None:
    stage.shop.headers = {
        "X-Fal-Object-Lifecycle-Preference": '{"expiration_duration_seconds": 3600}'
    }
    clip = stage.shop.render(stage.shop.new(RAIN))
    stage.after(2 * HOUR)
    stage.shop.play(clip)


def _sequel(stage: Stage) -> None:
    stage.shop.sequels = True
    _hooked(stage)


def _slow(stage: Stage) -> None:
    worked = threading.Event()

    def work(seconds: float) -> None:
        worked.wait(PATIENCE)

    stage.fal.sleep = work
    _hooked(stage)
    worked.set()


def _png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (1280, 720), "teal").save(file, "PNG")
    return file.getvalue()


@dataclass(frozen=True)
class Mistake:
    """What is done with a shop, and how the shop or its client is wrong."""

    code: str
    play: Callable[[Stage], object]
    fal: type[Fal] = Fal
    shop: type[Shop] = Shop
    name: str = ""


def _hooked(stage: Stage) -> object:
    return stage.hooked(RAIN)


def _poll(stage: Stage) -> object:
    return stage.shop.poll(stage.started(stage.shop.new(REFUSED)))


_twice = with_fault("webhook_duplicate", _hooked)

MISTAKES = (
    Mistake("whole-id-url", renders(RAIN), mistakes.WholeIdUrl),
    Mistake("response-url", renders(RAIN), mistakes.ResponseUrl),
    Mistake("invented-url", _logs, mistakes.InventedUrl),
    Mistake("input-wrapper", renders(RAIN), mistakes.InputWrapper),
    Mistake("integer-as-string", _form, shop=mistakes.TextNumbers),
    Mistake("failure-not-read", _poll, shop=mistakes.ReadyWhenCompleted),
    Mistake("waits-for-failed", renders(REFUSED), mistakes.WaitsForFailed),
    Mistake("waits-for-failed", renders(REFUSED), mistakes.ExpectsFailed, name="status"),
    Mistake("early-result-taken", renders(RAIN), mistakes.EarlyResult),
    Mistake("refusal-retried", renders(REFUSED), shop=mistakes.RetriesAll),
    Mistake(
        "paid-twice", with_fault("reply_lost on=submit times=1", _hooked), mistakes.RetriesSubmits
    ),
    Mistake("polling-endless", with_fault("stuck seconds=7200", renders(RAIN)), mistakes.Endless),
    Mistake("abandoned-job", with_fault("stuck seconds=14400", renders(RAIN)), mistakes.GivesUp),
    Mistake("private-input", _photo, shop=mistakes.LocalPhotos),
    Mistake("webhook-redirected", _hooked, shop=mistakes.SlashedHook),
    Mistake("webhook-too-slow", _slow, shop=mistakes.SlowHook),
    Mistake("webhook-not-idempotent", _twice, shop=mistakes.BreaksOnRepeat, name="500"),
    Mistake(
        "webhook-not-idempotent",
        with_fault("webhook_duplicate", _sequel),
        shop=mistakes.SequelEachTime,
        name="sequel",
    ),
    # What verifies nothing takes rewritten bytes as well.
    Mistake("webhook-unverified", _hooked, shop=mistakes.TrustsAll),
    Mistake("webhook-reserialised", _hooked, shop=mistakes.Reserialises),
    Mistake("media-expired", _kept, shop=mistakes.KeepsUrls),
)
# Mistakes in what is asked for, and what is right in its place.
INPUTS = (
    ("unknown-field", (TEXT, {**RAIN, "num_inference_steps": 30}), (TEXT, RAIN)),
    ("deprecated-field", (OLD, {**RAIN, "quality": "high"}), (OLD, RAIN)),
    ("unlisted-endpoint", ("fal-ai/ltx-2.3/text-to-movie", RAIN), (TEXT, RAIN)),
)
BOTH = ["budget-exceeded", "cost-alert"]


def _id(mistake: Mistake) -> str:
    return "-".join(word for word in (mistake.code, mistake.name) if word)


def _codes(stage: Stage) -> list[str]:
    return sorted({one.kind.code for one in failing(stage)})


@pytest.mark.parametrize("mistake", MISTAKES, ids=_id)
def test_a_mistake_is_found_by_its_own_code(mistake: Mistake, staged: Open) -> None:
    stage = staged(mistake.shop, mistake.fal)
    mistake.play(stage)
    assert _codes(stage) == [mistake.code]


@pytest.mark.parametrize("mistake", MISTAKES, ids=_id)
def test_nothing_is_found_where_the_same_is_done_right(mistake: Mistake, staged: Open) -> None:
    stage = staged()
    mistake.play(stage)
    assert failing(stage) == []


@pytest.mark.parametrize(("code", "wrong", "right"), INPUTS, ids=[code for code, *_ in INPUTS])
def test_a_mistake_in_what_is_asked_for_is_found(
    code: str, wrong: tuple[str, Json], right: tuple[str, Json], staged: Open
) -> None:
    stage, twin = staged(), staged()
    for shop, (endpoint, wanted) in ((stage, wrong), (twin, right)):
        renders(wanted, endpoint)(shop)
    assert {one.kind.code for one in stage.tenant.findings} == {code}
    assert twin.tenant.findings == []


@pytest.mark.parametrize(("clips", "codes"), [(1, []), (2, ["cost-alert"]), (3, BOTH)])
def test_what_a_batch_costs_is_found(clips: int, codes: list[str]) -> None:
    with falkit.Mock(timing="instant", alert_at=["0.50"], budget="1.00") as mock:
        for _ in range(clips):
            url = f"{mock.url}/fal.run/{TEXT}"
            assert httpx.post(url, json=RAIN, headers=KEY).is_success
        assert [one.kind.code for one in mock.findings] == codes


def test_what_a_mock_for_all_keys_sees_in_real_time() -> None:
    """A paused clock tells nothing of haste; and a request to another host is no tenant's."""
    with falkit.Mock(timing="60,60", egress="block") as mock, calling(mock) as http:

        def play(shop: type[Shop], fal: type[Fal]) -> list[str]:
            client = fal(http, "shop:secret", mock.clock.advance, mock.clock.now)
            opened = shop(client, "https://shop.example")
            opened.render(opened.new(RAIN))
            opened.fetch_photo("http://photos.customer.example/cat.png")
            return [one.kind.code for one in mock.findings if one.severity != "note"]

        assert play(Shop, Fal) == []
        assert play(mistakes.LeaksKey, mistakes.Impatient) == ["key-leaked", "polling-fast"]


def test_a_model_that_falkit_lacks_is_a_warning_since_fal_may_have_it(staged: Open) -> None:
    stage = staged()
    renders(RAIN, "fal-ai/ltx-video-13b-dev")(stage)
    (found,) = stage.tenant.findings
    assert (found.kind.code, found.severity) == ("unlisted-endpoint", "warning")
