"""The commands that steer a running mock by its control API."""

from __future__ import annotations
