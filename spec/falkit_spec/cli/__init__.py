"""The commands `falkit spec …` and `falkit check`, and how commands choose documents."""

from __future__ import annotations
