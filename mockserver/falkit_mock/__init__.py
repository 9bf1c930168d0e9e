"""The mock server: fal.run, the queue and the media hosts on one port."""

from __future__ import annotations
