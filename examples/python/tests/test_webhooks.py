"""What happens to webhooks at fal, tried on our handler."""

import pytest
from falkit_contract.webhooks import WebhookCase, webhook_cases

from clips.app import create_app
from clips.store import Store
from clips.worker import MODEL, Worker


@pytest.mark.parametrize("case", webhook_cases)
def test_fal_webhook(case: WebhookCase, store: Store) -> None:
    def submitted(request_id: str) -> None:
        store.update(store.add("Rain"), tried=1.0, request_id=request_id, due=1.0)

    def stored(request_id: str) -> str | None:
        clip = store.find(request_id)
        return clip.url if clip else None

    def failed(request_id: str) -> bool:
        clip = store.find(request_id)
        return clip is not None and clip.status == "failed"

    case.check(
        create_app(store),
        "/fal",
        submitted=submitted,
        stored=stored,
        failed=failed,
        reconcile=Worker(store, "https://clips.example").work,
        endpoint=MODEL,
    )
