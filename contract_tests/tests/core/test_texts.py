"""Texts for people: secrets masked, moments that no calendar has."""

from __future__ import annotations

import math

import pytest

from falkit_mock.core import iso, masked

KEY = "5e0d6dc7-8a91-4c2b-9f3e-7b1d0c2a4e68:0f9a3c5d7e1b2846a0c9d8e7f6b5a413"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/hook?job=1", "https://a.example/hook?job=1"),
        ("https://u:p@a.example/hook", "https://u:***@a.example/hook"),
        ("https://token@a.example/hook", "https://***@a.example/hook"),
        ("http://a/h?token=abc&job=1#x", "http://a/h?token=***&job=1#x"),
        ("http://a/h?job=1&API_Key=abc", "http://a/h?job=1&API_Key=***"),
        ("http://a/h?x-signature=a%26b&sig=c", "http://a/h?x-signature=***&sig=***"),
        ("http://a/h?token=", "http://a/h?token="),
        ("http://a/h?a=1&my_token=xyz&b?sig=q#z", "http://a/h?a=1&my_token=***&b?sig=***#z"),
        ("http://a/?" + "?token" * 20_000, "http://a/?" + "?token" * 20_000),
        ("http://a/token=abc", "http://a/token=abc"),
        (f"http://a/{KEY}/b?x={KEY.replace(':', '%3A')}", "http://a/***/b?x=***"),
        (f"http://a/{KEY[:36]}", f"http://a/{KEY[:36]}"),
    ],
)
def test_what_looks_like_a_secret_in_a_url_is_masked(url: str, shown: str) -> None:
    assert masked(url) == shown


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1e18, "9999-12-31T23:59:59.000Z"),
        (math.inf, "9999-12-31T23:59:59.000Z"),
        (-1e18, "0001-01-01T00:00:00.000Z"),
    ],
)
def test_every_moment_is_written(moment: float, text: str) -> None:
    assert iso(moment) == text
