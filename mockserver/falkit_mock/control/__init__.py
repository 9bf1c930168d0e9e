"""The mock's own API under /__falkit/."""

from __future__ import annotations
