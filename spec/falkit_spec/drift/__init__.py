"""Documents compared, fetched and kept: what fal changed, and recorded calls."""

from __future__ import annotations
