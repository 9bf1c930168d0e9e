"""A shop that sells videos: its receiver of fal's webhooks, a WSGI application with Flask."""

from __future__ import annotations

from flask import Flask, request

from falkit_client import errors, webhooks

app = Flask(__name__)
videos: dict[str, list[str]] = {}
failures: set[str] = set()
done: set[str] = set()


@app.post("/hooks/fal")
def fal() -> tuple[str, int]:
    """Take a delivery."""
    try:
        delivery = webhooks.verify(request.headers, request.get_data())
    except errors.WebhookError as error:
        return error.message, error.answer
    if delivery.request_id not in done:
        done.add(delivery.request_id)
        if delivery.status == "ERROR":
            failures.add(delivery.request_id)
        elif delivery.payload is not None:
            url = delivery.payload["video"]["url"]
            videos.setdefault(delivery.request_id, []).append(url)
    return "", 200
