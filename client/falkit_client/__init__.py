"""A small spec-driven client for fal.ai."""

from __future__ import annotations

from falkit_client._async import AsyncClient
from falkit_client._client import Client
from falkit_client._handles import AsyncBound, AsyncHandle, Bound, Handle
from falkit_client._requests import Ticket
from falkit_client.budget import Budget
from falkit_client.cache import Cache
from falkit_client.download import SavedFile
from falkit_client.errors import (
    AnswerLost,
    BadKeys,
    BadOutput,
    BadPayload,
    BadReply,
    BudgetExceeded,
    Cancelled,
    DownloadFailed,
    Evidence,
    FalkitError,
    Forbidden,
    InvalidInput,
    KeysUnavailable,
    MalformedHeader,
    MissingHeader,
    MissingKey,
    ModelError,
    NoAnswer,
    NotFound,
    NotReady,
    PriceUnknown,
    RateLimited,
    Refused,
    ServerError,
    StaleTimestamp,
    StartTimeout,
    TimedOut,
    Unauthorized,
    UnknownEndpoint,
    Unreachable,
    Unverified,
    WebhookError,
    WrongSignature,
)
from falkit_client.media import Medium
from falkit_client.options import BoundOptions, RunOptions, SubmitOptions
from falkit_client.results import Completed, InProgress, JsonObject, LogLine, Queued, Result, Status
from falkit_client.retries import Retries
from falkit_client.uploads import UploadOptions
from falkit_client.webhooks import Delivery

__all__ = [
    "AnswerLost",
    "AsyncBound",
    "AsyncClient",
    "AsyncHandle",
    "BadKeys",
    "BadOutput",
    "BadPayload",
    "BadReply",
    "Bound",
    "BoundOptions",
    "Budget",
    "BudgetExceeded",
    "Cache",
    "Cancelled",
    "Client",
    "Completed",
    "Delivery",
    "DownloadFailed",
    "Evidence",
    "FalkitError",
    "Forbidden",
    "Handle",
    "InProgress",
    "InvalidInput",
    "JsonObject",
    "KeysUnavailable",
    "LogLine",
    "MalformedHeader",
    "Medium",
    "MissingHeader",
    "MissingKey",
    "ModelError",
    "NoAnswer",
    "NotFound",
    "NotReady",
    "PriceUnknown",
    "Queued",
    "RateLimited",
    "Refused",
    "Result",
    "Retries",
    "RunOptions",
    "SavedFile",
    "ServerError",
    "StaleTimestamp",
    "StartTimeout",
    "Status",
    "SubmitOptions",
    "Ticket",
    "TimedOut",
    "Unauthorized",
    "UnknownEndpoint",
    "Unreachable",
    "Unverified",
    "UploadOptions",
    "WebhookError",
    "WrongSignature",
]
