"""fal's OpenAPI documents and what follows from them: lookup, validation, combinations, price."""

from __future__ import annotations
