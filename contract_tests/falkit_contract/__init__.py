"""Contract tests for whatever speaks fal's protocol: Hypothesis strategies from the documents."""

from __future__ import annotations
