"""Shapes of what the models of fal-ai take and give."""

from __future__ import annotations
