"""A small spec-driven client for fal.ai."""

from __future__ import annotations
