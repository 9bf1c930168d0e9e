"""The checks, a module for each kind: what a check is called is the first word of its id."""

from __future__ import annotations
