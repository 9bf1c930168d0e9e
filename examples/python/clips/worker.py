"""The worker: submits orders, downloads clips, and looks for webhooks that never came.

    FAL_KEY=… CLIPS_FOLDER=data CLIPS_URL=https://clips.example python -m clips.worker

It may end at any moment: the table says what is done. There is one worker.
"""

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import fal_client
import httpx

from clips.store import Clip, Store

MODEL = "fal-ai/ltx-2/text-to-video/fast"
# The account's requests at fal.
REQUESTS = "https://api.fal.ai/v1/models/requests/by-endpoint"
# Seconds between two looks at the table, and after one in which something went wrong.
PAUSE, LONGER = 0.2, 2.0
OPEN = "url IS NULL AND error IS NULL"
log = logging.getLogger("clips")


def input_of(clip: Clip) -> dict[str, object]:
    return {"prompt": clip.prompt, "duration": 6}


class Worker:
    """Does what the table says is to be done.

    `url` is where fal reaches the service; `patience` how many seconds a webhook, or the reply to a
    submit, may take until the worker asks.
    """

    def __init__(self, store: Store, url: str, patience: float = 120.0) -> None:
        self._store = store
        self._url = url
        self._patience = patience

    def work(self) -> bool:
        """Do once all that there is to do now; tell whether all of it went well."""
        where, unknown = self._store.where, f"{OPEN} AND request_id IS NULL"
        before = time.time() - self._patience
        done = [
            self._each(self._recover, where(f"{unknown} AND tried <= ?", before)),
            self._each(self._submit, where(f"{unknown} AND tried IS NULL")),
            self._each(self._look, where(f"{OPEN} AND due <= ?", time.time())),
            self._each(
                self._download, where("url IS NOT NULL AND error IS NULL AND stored IS NULL")
            ),
        ]
        return all(done)

    def _each(self, do: Callable[[Clip], None], clips: list[Clip]) -> bool:
        well = True
        for clip in clips:
            try:
                do(clip)
            except (fal_client.FalClientError, httpx.HTTPError) as error:
                # The next time may be better.
                log.warning("%s %s: %r", do.__name__, clip.id, error)
                well = False
        return well

    def _submit(self, clip: Clip) -> None:
        # Noted first: whoever finds this without a request id asks fal before submitting again.
        self._store.update(clip, tried=time.time())
        webhook = f"{self._url}/fal?clip={clip.token}"
        job = fal_client.submit(MODEL, input_of(clip), webhook_url=webhook)
        self._taken(clip, job.request_id)

    def _taken(self, clip: Clip, request_id: str) -> None:
        self._store.update(clip, request_id=request_id, due=time.time() + self._patience)

    def _recover(self, clip: Clip) -> None:
        """Go on with a submit that never returned: fal may have taken it, and a second costs."""
        query: dict[str, str | int] = {
            "endpoint_id": MODEL,
            "expand": "payloads",
            "start": datetime.fromtimestamp((clip.tried or 0) - 60, UTC).isoformat(),
            "limit": 100,
        }
        head = {"Authorization": f"Key {os.environ['FAL_KEY']}"}
        reply = httpx.get(REQUESTS, params=query, headers=head).raise_for_status()
        for item in reply.json()["items"]:
            # Orders of the same prompt may change places, but none gets another's job.
            if item["json_input"] == input_of(clip) and not self._store.find(item["request_id"]):
                return self._taken(clip, item["request_id"])
        return self._submit(clip)

    def _look(self, clip: Clip) -> None:
        """Finish a job whose webhook is overdue, if it has ended."""
        request_id = clip.request_id or ""
        try:
            if isinstance(fal_client.status(MODEL, request_id), fal_client.Completed):
                output = fal_client.result(MODEL, request_id)
                self._store.finish(clip, url=output["video"]["url"])
            else:
                self._store.update(clip, due=time.time() + self._patience / 10)
        except fal_client.FalClientHTTPError as error:
            # How the job ended, unless it is about this request: a wrong key, or one too many.
            answered = "x-fal-request-id" in error.response_headers
            if not answered or error.status_code in (401, 403, 429):
                raise
            self._store.finish(clip, error=str(error))

    def _download(self, clip: Clip) -> None:
        path = self._store.path(clip)
        part = path.with_suffix(".part")
        with httpx.stream("GET", clip.url or "", follow_redirects=True) as reply:
            if reply.status_code in (404, 410):
                self._store.update(clip, error="the file is no longer there")
                return
            reply.raise_for_status()
            with part.open("wb") as file:
                for piece in reply.iter_bytes():
                    file.write(piece)
        part.replace(path)
        self._store.update(clip, stored=time.time())


def main() -> None:
    patience = float(os.environ.get("CLIPS_PATIENCE", "120"))
    worker = Worker(Store.from_environ(), os.environ["CLIPS_URL"], patience)
    while True:
        time.sleep(PAUSE if worker.work() else LONGER)


if __name__ == "__main__":
    logging.basicConfig()
    with suppress(KeyboardInterrupt):
        main()
