"""A small spec-driven client for fal.ai."""

from __future__ import annotations

from falkit_client._async import AsyncClient, AsyncHandle
from falkit_client._bound import AsyncBound, Bound
from falkit_client._client import Client, Handle
from falkit_client._requests import Ticket
from falkit_client.budget import Budget
from falkit_client.cache import Cache
from falkit_client.download import SavedFile
from falkit_client.errors import FalkitError
from falkit_client.media import Medium
from falkit_client.options import BoundOptions, RunOptions, SubmitOptions
from falkit_client.queue import Completed, InProgress, LogLine, Queued, Status
from falkit_client.result import JsonObject, Result
from falkit_client.retries import Retries
from falkit_client.uploads import UploadOptions

__all__ = [
    "AsyncBound",
    "AsyncClient",
    "AsyncHandle",
    "Bound",
    "BoundOptions",
    "Budget",
    "Cache",
    "Client",
    "Completed",
    "FalkitError",
    "Handle",
    "InProgress",
    "JsonObject",
    "LogLine",
    "Medium",
    "Queued",
    "Result",
    "Retries",
    "RunOptions",
    "SavedFile",
    "Status",
    "SubmitOptions",
    "Ticket",
    "UploadOptions",
]
