"""The official server proxy: its protocol at the mock, and what it sends on by itself."""

from __future__ import annotations

import httpx
import pytest

from gated import Gated
from serving import PATIENCE, PROMPT, T2V


@pytest.fixture
def browser(gate: Gated) -> httpx.Client:
    """Speaks to the mock as to a site of one's own."""
    return httpx.Client(base_url=gate.mock, timeout=PATIENCE, trust_env=False)


@pytest.mark.parametrize("headers", [{}, {"x-fal-target-url": "https://example.com/x"}])
def test_a_proxy_request_for_nobody_is_400(browser: httpx.Client, headers: dict[str, str]) -> None:
    with browser:
        reply = browser.post("/api/fal/proxy", json=PROMPT, headers=headers)
        assert reply.status_code == 400
        assert browser.post("/anywhere", json=PROMPT, headers=headers).status_code == 404


def test_targets_on_the_backup_domain_are_answered(browser: httpx.Client) -> None:
    target = {"x-fal-target-url": f"https://queue.falrun.com/{T2V}", "authorization": "Key a:b"}
    with browser:
        job = browser.post("/api/fal/proxy", json=PROMPT, headers=target).json()
    assert job["status_url"].startswith("https://queue.falrun.com/")


def test_requests_of_the_server_proxy_are_answered_with_media_that_a_browser_plays(
    gate: Gated,
) -> None:
    """It passes every x-fal- header along, the target's own included, and adds the key."""
    url = f"https://fal.run/{T2V}"
    headers = {"x-fal-target-url": url, "x-fal-client-proxy": "@fal-ai/server-proxy/express"}
    reply = gate.http.post(url, json=PROMPT, headers=headers).json()
    assert reply["video"]["url"].startswith(f"{gate.mock}/v3b.fal.media/files/")
