"""Every fault by its name: one table, a line a fault, by family."""

from __future__ import annotations

from dataclasses import replace

from falkit_mock.core.errors import LOCK_REASONS
from falkit_mock.core.fal_errors import CONTENT_CATEGORIES, platform_error
from falkit_mock.core.jobs import WebhookFaultName
from falkit_mock.faults import (
    FOLLOWING,
    JOBS,
    OPERATIONS,
    WEEK,
    Concern,
    Fault,
    Kind,
    Operation,
    Parameter,
    RuleError,
    letters,
    suggestion,
)
from falkit_spec import JSON

# Ten years are as far as the clock jumps at once.
_YEARS = 315_360_000
# What rules write before the name that a delivery has for its fault.
WEBHOOK_PREFIX = "webhook_"


def _seconds(default: float, about: str) -> Parameter:
    return Parameter("seconds", "number", default, about, least=0, most=WEEK)


def _endless(default: JSON, about: str) -> Parameter:
    return Parameter("seconds", "number", default, about, least=0, most=_YEARS, endless=True)


def _of_ctx(name: str, default: JSON) -> Parameter:
    kind: Kind = "list" if isinstance(default, list) else "number"
    return Parameter(name, kind, default, "in the error's `ctx`", least=-1e18, most=1e18)


_ATTEMPTS = Parameter(
    "attempts", "integer", 1, "how many of the delivery's first attempts it corrupts", 1, 100
)


def _choice(name: str, about: str, *choices: str) -> Parameter:
    """Return a parameter with a few values; the first is the default."""
    return Parameter(name, "choice", choices[0], about, choices=choices)


def _lock_reason() -> Parameter:
    """Return the reason of a lock, which may be written as fal writes it, or its first sentence."""
    texts = {
        letters(each): name
        for name, text in LOCK_REASONS.items()
        for each in (name, text, text.partition(".")[0])
    }
    about = f"why: {', '.join(LOCK_REASONS)}, or fal's own words"
    reason = _choice("reason", about, *LOCK_REASONS)
    return replace(reason, spellings=texts)


_CATEGORIES = Parameter(
    "categories",
    "list",
    None,
    f"what the content is taken for: any of {', '.join(CONTENT_CATEGORIES)}",
    choices=CONTENT_CATEGORIES,
)


def _model(
    name: str,
    about: str,
    concerns: Concern = "",
    *also: Parameter,
    status: int = 422,
    ran: bool = False,
    **ctx: JSON,
) -> Fault:
    """Return an error in the `detail` list of fal's model errors (wire.md §6.1)."""
    found = [_of_ctx(key, value) for key, value in ctx.items()]
    about_field = "the input's field that it is about, dotted if nested"
    found.append(Parameter("field", "text", None, about_field))
    found.append(Parameter("msg", "text", None, "the message"))
    if status != 422:
        tries = "what both retry headers say; if so, the queue tries a 5xx again"
        found.append(Parameter("retryable", "boolean", False, tries))
    return Fault(
        name,
        "model error",
        "outcome",
        f"{status}: {about}",
        JOBS,
        JOBS,
        (*found, *also),
        status=status,
        ran=ran,
        concerns=concerns,
        ctx=tuple(ctx),
    )


def _request(
    name: str, about: str, *also: Parameter, ran: bool = False, temporary: bool = False
) -> Fault:
    """Return an error with a string `detail`, an `error_type` and its header (wire.md §6.2)."""
    status = platform_error(name).status_code
    return Fault(
        name,
        "request error",
        "outcome",
        f"{status}: {about}",
        JOBS,
        JOBS,
        (Parameter("detail", "text", None, "the sentence in the body"), *also),
        status=status,
        ran=ran,
        temporary=temporary,
    )


def _raw(name: str, about: str, *parameters: Parameter) -> Fault:
    """Return an answer of the model that is not JSON."""
    return Fault(name, "raw answer", "outcome", about, JOBS, JOBS, parameters)


def _gateway(
    name: str,
    about: str,
    on: tuple[Operation, ...],
    allowed_on: tuple[Operation, ...],
    *parameters: Parameter,
) -> Fault:
    """Return a reply in the place of the one asked for; nothing is carried out."""
    return Fault(name, "gateway", "answer", about, on, allowed_on, parameters)


def _connection(name: str, about: str, *parameters: Parameter, done: bool = False) -> Fault:
    return Fault(name, "connection", "answer", about, JOBS, OPERATIONS, parameters, done=done)


def _media(name: str, about: str, *parameters: Parameter) -> Fault:
    return Fault(name, "media", "media", about, ("media",), ("media",), parameters)


def _webhook(name: WebhookFaultName, about: str, *parameters: Parameter) -> Fault:
    full = f"{WEBHOOK_PREFIX}{name}"
    return Fault(full, "webhook", "webhook", about, _SUBMIT, _SUBMIT, parameters)


_SUBMIT: tuple[Operation, ...] = ("submit",)
_PAID: tuple[Operation, ...] = (*JOBS, "initiate")
_KEYED: tuple[Operation, ...] = (*JOBS, *FOLLOWING, "initiate", "token")
# Figures of the order that fal's pages have; a rule gives others.
_IMAGES: list[JSON] = [".png", ".jpg", ".jpeg", ".webp"]
_VIDEOS: list[JSON] = [".mp4", ".mov", ".webm"]
_SOUNDS: list[JSON] = [".mp3", ".wav"]
_ARCHIVES: list[JSON] = [".zip", ".tar", ".tar.gz"]
# fmt: off
_TABLE = (
    _model("internal_server_error", "the model broke", status=500, ran=True),
    _model("generation_timeout", "the model took too long", status=504, ran=True),
    _model("downstream_service_error", "a service that the model calls failed", "",
           _choice("status", "its code, which two copies of fal's documentation give differently",
                   "400", "500"),
           status=400, ran=True),
    _model("downstream_service_unavailable", "a service that the model calls can't be reached",
           status=500, ran=True),
    _model("content_policy_violation", "the content is not allowed", "prompt", _CATEGORIES,
           ran=True),
    _model("no_media_generated", "the model made nothing", "prompt", ran=True),
    _model("image_too_small", "an image is too small", "image", min_height=512, min_width=512),
    _model("image_too_large", "an image is too large", "image", max_height=4096, max_width=4096),
    _model("image_aspect_ratio_error", "an image is too wide or too high", "image",
           min_aspect_ratio=0.4, max_aspect_ratio=2.5),
    _model("image_load_error", "an image can't be read", "image"),
    _model("file_download_error", "a file can't be fetched", "media"),
    _model("face_detection_error", "no face was found", "image", ran=True),
    _model("file_too_large", "a file is too large", "media", max_size=10_485_760),
    _model("greater_than", "a number must be greater", "number", gt=0),
    _model("greater_than_equal", "a number must be as great or greater", "number", ge=1),
    _model("less_than", "a number must be less", "number", lt=21),
    _model("less_than_equal", "a number must be as small or less", "number", le=20),
    _model("multiple_of", "a number must be a multiple", "number", multiple_of=2),
    _model("sequence_too_short", "a list or text is too short", "prompt", min_length=1),
    _model("sequence_too_long", "a list or text is too long", "prompt", max_length=5000),
    _model("one_of", "a value is none of those allowed", "number", expected=[6, 8, 10]),
    _model("feature_not_supported", "the model can't do this", "prompt"),
    _model("invalid_archive", "an archive can't be read", "media", supported_extensions=_ARCHIVES),
    _model("archive_file_count_below_minimum", "an archive has too few files", "media",
           min_count=5, provided_count=1, supported_extensions=_ARCHIVES),
    _model("archive_file_count_exceeds_maximum", "an archive has too many files", "media",
           max_count=100, provided_count=101, supported_extensions=_ARCHIVES),
    _model("audio_duration_too_long", "a sound is too long", "audio",
           max_duration=20, provided_duration=30),
    _model("audio_duration_too_short", "a sound is too short", "audio",
           min_duration=2, provided_duration=1),
    _model("video_duration_too_long", "a video is too long", "video",
           max_duration=20, provided_duration=30),
    _model("video_duration_too_short", "a video is too short", "video",
           min_duration=2, provided_duration=1),
    _model("unsupported_audio_format", "a sound is of a type that the model doesn't read", "audio",
           supported_formats=_SOUNDS),
    _model("unsupported_image_format", "an image is of a type that the model doesn't read", "image",
           supported_formats=_IMAGES),
    _model("unsupported_video_format", "a video is of a type that the model doesn't read", "video",
           supported_formats=_VIDEOS),
    _model("input_value_error", "a value is wrong in another way", "prompt"),

    _request("request_timeout", "it did not start in the time that its caller gave it",
             _choice("by",
                     "whose budget ran out: `user` has the header that clients never retry on",
                     "user", "platform")),
    _request("startup_timeout", "no runner was ready in time", temporary=True),
    _request("runner_scheduling_failure", "no runner could be had", temporary=True),
    _request("runner_connection_timeout", "the runner did not answer", temporary=True),
    _request("runner_disconnected", "the runner went away", ran=True, temporary=True),
    _request("runner_connection_refused", "the runner took no connection", temporary=True),
    _request("runner_connection_error", "the way to the runner broke", temporary=True),
    _request("runner_incomplete_response", "the runner's answer broke off", ran=True),
    _request("runner_server_error", "the runner broke", ran=True),
    _request("internal_error", "the platform broke", ran=True),
    _request("client_disconnected", "its caller was taken to have hung up", ran=True),
    _request("client_cancelled", "it was taken to have been cancelled", ran=True),
    _request("bad_request", "the request could not be read"),

    _raw("raw_error",
         "the model fails with an answer that isn't JSON; webhooks then have `payload_error`",
         Parameter("status", "integer", 500, "its code", 400, 599),
         Parameter("text", "text", "Internal Server Error", "what it answers")),
    _raw("unserialisable", "the output isn't JSON: 200 all the same; webhooks have `payload_error`",
         Parameter("text", "text", "not JSON: NaN", "what it answers")),

    _gateway("account_locked",
             "403: the account has no balance, or was locked; statuses still answer", _PAID, _PAID,
             _lock_reason()),
    _gateway("bad_key", "401: the key is not known", _KEYED, _KEYED),
    _gateway("concurrent_requests_limit", "429: too many of the account's requests run",
             ("run",), JOBS),
    _gateway("ingress_error",
             "nginx's own error page, without x-fal-request-id, so that clients try again",
             JOBS, OPERATIONS,
             Parameter("status", "choice", "503", "its code", choices=("502", "503", "504"))),
    _gateway("redirect",
             "307 to the endpoint's own name, as for an alias; a client that follows it with a "
             "GET gets 405", _SUBMIT, JOBS,
             Parameter("to", "text", None, "the id that it leads to; else the same", header=True)),
    _gateway("result_expired", "404: what was answered is kept no longer", ("result",), FOLLOWING),

    _connection("connection_reset", "the connection is reset before the request is carried out"),
    _connection("hang", "no answer, until the caller gives up or the connection is closed",
                _seconds(3600, "until it is closed")),
    _connection("reply_lost",
                "the request is carried out, and the connection reset before the reply", done=True),
    _connection("half_reply",
                "the request is carried out, and the reply breaks off in the middle", done=True),
    _connection("garbage", "the request is carried out, and the reply isn't HTTP", done=True),

    Fault("latency", "time", "latency", "it is answered later", JOBS, OPERATIONS,
          (Parameter("seconds", "seconds", 1,
                     "seconds, `uniform:1..3`, `normal:MEAN,DEVIATION` or `lognormal:MEDIAN,SIGMA`"
                     ),)),
    Fault("stuck", "time", "queue", "it stays IN_QUEUE, although nobody is ahead",
          _SUBMIT, _SUBMIT,
          (_endless("inf", "for how long; `inf` for ever"),
           Parameter("position", "integer", None,
                     "the `queue_position` that it shows; else how many are ahead", 0, 10**9))),
    Fault("slow_logs", "time", "logs", "log lines show late",
          _SUBMIT, _SUBMIT, (_endless(5, "how late; `inf` for never"),)),

    _media("media_missing", "404: the file is not there"),
    _media("media_truncated", "the file ends early, and its headers say nothing of it",
           Parameter("share", "number", 0.5, "how much of it there is", 0, 1)),
    _media("media_wrong_type", "a page in the place of the file",
           Parameter("content_type", "text", "text/html", "what it is said to be", header=True)),
    _media("media_slow", "the file comes in ten pieces, with pauses",
           _seconds(10, "for the whole")),

    _webhook("duplicate", "the same webhook comes more than once, although it was acknowledged",
             Parameter("copies", "integer", 2, "how often it comes in all", 2, 100),
             _seconds(0, "time between one and the next; 0 is all at once")),
    _webhook("late", "it goes out only some time after the job's end",
             _seconds(60, "how long after the end")),
    _webhook("out_of_order",
             "it is held back until the mock's next webhook has gone, and overtaken by that",
             _seconds(60, "how long it is held back if no other comes")),
    _webhook("lost", "it never comes: the job ends, and nothing is sent"),
    _webhook("before_reply",
             "the job ends at once and its webhook comes before the reply to the submit"),
    _webhook("tampered", "the body is changed after it was signed", _ATTEMPTS),
    _webhook("stale", "its timestamp is older than receivers allow, and is signed so",
             _seconds(600, "age of the timestamp"), _ATTEMPTS),
    _webhook("unknown_key", "it is signed with a key that is not published", _ATTEMPTS),
    _webhook("slow", "the receiver's answer counts as too late, so that it comes again", _ATTEMPTS),
)
# fmt: on
FAULTS: dict[str, Fault] = {fault.name: fault for fault in _TABLE}


def find_fault(name: str) -> Fault:
    """Return the fault of a name; raise RuleError. Dashes are as good as underscores."""
    fault = FAULTS.get(name.replace("-", "_"))
    if fault is None:
        near = suggestion(name.lower().replace("-", "_"), FAULTS, "`falkit faults` lists them")
        raise RuleError("fault", name, f"isn't a fault; {near}")
    return fault
