"""Rules and faults: what goes wrong on demand, for whom, and how often."""

from __future__ import annotations
