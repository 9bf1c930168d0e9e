"""api.fal.ai: the Platform API, an operation family per module (wire.md §10)."""

from __future__ import annotations
