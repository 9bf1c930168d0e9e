"""The gateway: TLS for fal's names, a proxy in front, and what makes programs use it."""

from __future__ import annotations
