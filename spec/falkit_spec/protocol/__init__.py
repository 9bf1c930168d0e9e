"""The protocol around the models, as an OpenAPI 3.1 document with webhooks, and replies held to it.

The facts are in openapi.yaml beside this, each with its certainty and source.
"""

from __future__ import annotations

from falkit_spec.protocol.definition import Protocol as Protocol
from falkit_spec.protocol.operation import Operation as Operation
