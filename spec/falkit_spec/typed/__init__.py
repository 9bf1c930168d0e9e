"""Python types and typed clients, written from documents."""

from __future__ import annotations
