"""A small spec-driven client for fal.ai."""

from __future__ import annotations

from falkit_client._async import AsyncClient, AsyncHandle
from falkit_client._client import Client, Handle
from falkit_client._requests import Ticket
from falkit_client.errors import FalkitError
from falkit_client.options import RunOptions, SubmitOptions
from falkit_client.queue import Completed, InProgress, LogLine, Queued, Status
from falkit_client.result import JsonObject, Result
from falkit_client.retries import Retries

__all__ = [
    "AsyncClient",
    "AsyncHandle",
    "Client",
    "Completed",
    "FalkitError",
    "Handle",
    "InProgress",
    "JsonObject",
    "LogLine",
    "Queued",
    "Result",
    "Retries",
    "RunOptions",
    "Status",
    "SubmitOptions",
    "Ticket",
]
