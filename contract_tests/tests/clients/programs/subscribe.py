"""A program as fal's documentation shows it: wait for a clip, with logs."""

from __future__ import annotations

import fal_client


def on_queue_update(update: fal_client.Status) -> None:
    print(type(update).__name__)
    if isinstance(update, fal_client.InProgress):
        for log in update.logs or []:
            print("log:", log["message"])


result = fal_client.subscribe(
    "fal-ai/ltx-2/text-to-video",
    arguments={"prompt": "The camera glides over the water"},
    with_logs=True,
    on_queue_update=on_queue_update,
)
print("url:", result["video"]["url"])
