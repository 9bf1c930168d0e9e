"""Webhooks as fal sends them: payloads, signatures, keys, retries and their faults (wire.md §5)."""

from __future__ import annotations
