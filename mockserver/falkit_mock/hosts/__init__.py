"""HTTP in and out, a module per fal host; everything decided lies in the platform."""

from __future__ import annotations
