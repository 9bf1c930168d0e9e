"""A referee: whether a server keeps what fal's queue, errors, uploads, media and webhooks promise.

`falkit conform --target URL` and `pytest --pyargs falkit_contract --fal-target URL` run the checks
(docs/conform.md). Nothing is imported here, since every run of pytest reads `pytest_options`.
"""

from __future__ import annotations
