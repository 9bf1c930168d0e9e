"""The errors that the platform raises, not the model: every type of wire.md §6.2, and raw ones."""

from __future__ import annotations

from dataclasses import dataclass

from falkit_mock.platform.refusals import platform_error
from falkit_mock.platform.rules.fault import JOBS, Fault
from falkit_mock.platform.rules.parameter import Parameter

_DETAIL = Parameter("detail", "text", None, "the sentence in the body")


@dataclass(frozen=True, slots=True)
class RequestError(Fault):
    """A string `detail`, an `error_type`, and the header with the same."""

    # Whether a runner works on it before it fails.
    ran: bool = False
    # Whether the queue tries again before it gives up (wire.md §3.6), and fal.run says that its
    # caller may (wire.md §4).
    temporary: bool = False


@dataclass(frozen=True, slots=True)
class RawOutcome(Fault):
    """An answer of the model that is no JSON."""


def _error(name: str, about: str, *, ran: bool = False, temporary: bool = False) -> RequestError:
    found: tuple[Parameter, ...] = (_DETAIL,)
    if name == "request_timeout":
        text = "whose budget ran out: `user` has the header that clients never retry on"
        found += (Parameter("by", "choice", "user", text, choices=("user", "platform")),)
    return RequestError(
        name,
        "outcome",
        f"{platform_error(name).status_code}: {about}",
        JOBS,
        JOBS,
        found,
        family="request error",
        ran=ran,
        temporary=temporary,
    )


REQUEST_ERRORS = (
    _error("request_timeout", "it did not start in the time that its caller gave it"),
    _error("startup_timeout", "no runner was ready in time", temporary=True),
    _error("runner_scheduling_failure", "no runner could be had", temporary=True),
    _error("runner_connection_timeout", "the runner did not answer", temporary=True),
    _error("runner_disconnected", "the runner went away", ran=True, temporary=True),
    _error("runner_connection_refused", "the runner took no connection", temporary=True),
    _error("runner_connection_error", "the way to the runner broke", temporary=True),
    _error("runner_incomplete_response", "the runner's answer broke off", ran=True),
    _error("runner_server_error", "the runner broke", ran=True),
    _error("internal_error", "the platform broke", ran=True),
    _error("client_disconnected", "its caller was taken to have hung up", ran=True),
    _error("client_cancelled", "it was taken to have been cancelled", ran=True),
    _error("bad_request", "the request could not be read"),
)

RAW_OUTCOMES = (
    RawOutcome(
        "raw_error",
        "outcome",
        "the model fails with an answer that is no JSON; webhooks then have `payload_error`",
        JOBS,
        JOBS,
        (
            Parameter("status", "integer", 500, "its code", least=400, most=599),
            Parameter("text", "text", "Internal Server Error", "what it answers"),
        ),
        family="raw answer",
    ),
    RawOutcome(
        "unserialisable",
        "outcome",
        "the output is no JSON: 200 all the same; webhooks have `payload_error`",
        JOBS,
        JOBS,
        (Parameter("text", "text", "not JSON: NaN", "what it answers"),),
        family="raw answer",
    ),
)
