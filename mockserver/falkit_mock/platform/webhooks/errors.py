"""What keeps a webhook from being delivered.

WebhookError
├── TargetRefused   its URL can't be called, or isn't allowed to be
├── SendFailed      the receiver can't be reached, or its answer can't be read
├── NotDelivered    there is nothing to deliver yet
└── KeyInUse        a key that signs, or doesn't exist, can't be withdrawn
"""

from __future__ import annotations

from falkit_mock.platform.webhooks.masking import masked


class WebhookError(Exception):
    """The base of them all; the message is for people."""


class TargetRefused(WebhookError):
    """A URL that nothing is sent to; `url` is as it was given, its password masked."""

    def __init__(self, url: str, why: str) -> None:
        self.url = masked(url)
        super().__init__(f"{self.url!r}: {why}")
        self.why = why


class SendFailed(WebhookError):
    """There is no answer, and the message says why."""


class NotDelivered(WebhookError):
    """A webhook to be sent again whose job is unknown, has not ended, or asked for none."""


class KeyInUse(WebhookError):
    """Only a published key that no longer signs can be withdrawn."""
