"""Which operations of which client are run unchanged, and how each is judged."""

from __future__ import annotations

from pathlib import Path

from clients import judging, media, media_rows
from clients.judging import error
from clients.operations import Client, Operation, Program
from clients.place import DOCUMENTS, PLACE

_CANCELLED = r"^(499: .*)?Request cancelled by the client|Client Closed Request|client_cancelled"


def _cancel(name: str, code: int | None = 499) -> Operation:
    return Operation("cancel", "cancel; the result is then 499", error(name, _CANCELLED, code))


def _streams(stream: str, of_id: str, realtime: str) -> tuple[Operation, ...]:
    """Return streams and a socket, by what a client calls them."""
    return (
        Operation("stream_text", f"{stream}, of a language model", judging.grown),
        Operation("stream_pictures", f"{stream}, of an image model", judging.previewed),
        Operation("stream_of_id", f"{of_id}, of an id that ends in `/stream`", judging.previewed),
        Operation("workflow", f"{stream}, of a workflow", judging.stepped),
        Operation("realtime", realtime, judging.conversed),
    )


def _python(title: str) -> Client:
    late = judging.late("timed out after 2 seconds")
    image = judging.uploaded("image/jpeg")
    return Client(
        title,
        "fal-client",
        (
            Operation("run", "run", judging.clip),
            Operation("start_timeout", "run, with a start timeout", judging.clip),
            Operation("submit", "submit", judging.job),
            Operation("status", "status, with logs", judging.statuses),
            Operation("result", "result, which waits", judging.clip),
            Operation("subscribe", "subscribe, with logs and callback", judging.followed),
            Operation("client_timeout", "subscribe, with a client timeout: cancels", late),
            _cancel("FalClientHTTPError"),
            Operation("upload", "upload", judging.uploaded("text/plain", 5)),
            Operation("upload_file", "upload_file, then used as input", judging.used),
            Operation("upload_image", "upload_image", image),
            Operation("upload_parts", "upload in parts, 101 MiB", judging.whole(101)),
            Operation(
                "stream",
                "stream",
                error("SSEError", "text/event-stream"),
                "no: LTX-2 has no stream; the client's error is about the type",
            ),
            *_streams("stream", 'stream with `path=""`', "realtime, several inputs"),
            Operation(
                "stream_of_stream",
                "stream, of an id that ends in `/stream`",
                error("SSEError", "text/event-stream"),
                "no: it calls that id's `/stream`, which is not there",
            ),
        ),
    )


_SDK = Client(
    "fal",
    "fal",
    (
        Operation("run", "fal.apps.run", judging.clip),
        Operation("over_websocket", "fal.apps.ws, two inputs in order", judging.clip),
        Operation("submit", "fal.apps.submit", judging.job),
        Operation("status", "status, with logs", judging.statuses),
        Operation("iterated", "iter_events, then get", judging.iterated),
        Operation("result", "fetch_result", judging.clip),
        _cancel("HTTPStatusError", None),
    ),
)

_JAVASCRIPT = Client(
    "@fal-ai/client",
    "@fal-ai/client",
    (
        Operation("run", "run", judging.clip),
        Operation("start_timeout", "subscribe, with a start timeout", judging.clip),
        Operation("submit", "queue.submit", judging.job),
        Operation("status", "queue.status, with logs", judging.statuses),
        Operation("stream_status", "queue.streamStatus, with logs", judging.statuses),
        Operation("result", "queue.subscribeToStatus, then queue.result", judging.clip),
        Operation("subscribe", "subscribe, with logs and callback", judging.followed),
        Operation("subscribe_streaming", "subscribe in streaming mode", judging.followed),
        Operation(
            "client_timeout",
            "subscribe, with a timeout: cancels",
            judging.late("timed out waiting for the request to complete after 1010ms"),
        ),
        _cancel("ApiError"),
        Operation("upload", "storage.upload of a Blob", judging.uploaded("text/plain", 5)),
        Operation("upload_file", "storage.upload of a File, then used as input", judging.used),
        Operation("upload_in_input", "a Blob in the input", judging.clip),
        Operation("upload_parts", "storage.upload in parts, 91 MiB", judging.whole(91)),
        Operation(
            "stream",
            "stream",
            error("ApiError", "Not Found", 404),
            "no: LTX-2 has no stream; 404",
        ),
        *_streams("stream", "stream", "realtime.connect, several inputs"),
    ),
)

_SERVER_PROXY = Client(
    "@fal-ai/server-proxy",
    "@fal-ai/server-proxy",
    (
        Operation("run", "run, by way of an Express server", judging.clip),
        Operation("subscribe", "subscribe, with logs and callback", judging.followed),
        Operation("upload_in_input", "a Blob in the input", judging.clip),
        Operation(
            "upload_parts",
            "storage.upload in parts, 91 MiB",
            error("ApiError", "Bad Request", 400),
            "no: the proxy's own list of allowed URLs lacks initiate-multipart; it answers 400",
        ),
        Operation("upload_parts_allowed", "the same, with that URL allowed", judging.whole(91)),
        Operation(
            "cancel",
            "cancel; the result is then 499",
            judging.taken_for_success,
            "partly: the job is cancelled, but the Express handler turns every error into 200",
        ),
    ),
)

_AI_SDK = Client(
    "@ai-sdk/fal",
    "@ai-sdk/fal",
    (
        Operation("video", "generateVideo", judging.clip),
        Operation("video_of_image", "generateVideo from an image", judging.clip),
        Operation(
            "video_from_here",
            "generateVideo, with --media-host auto",
            error("AI_DownloadError", r"127\.0\.0\.1 is not allowed"),
            "no: the AI SDK refuses to download from this machine, where media then are",
        ),
        Operation(
            "video_of_duration",
            "generateVideo with `duration`",
            error("Error", "Unprocessable Entity"),
            "no: it sends `6s` where LTX-2 takes 6; `providerOptions.fal.duration` works",
        ),
        *media_rows.AI_SDK,
    ),
)

_TANSTACK = Client(
    "@tanstack/ai-fal",
    "@tanstack/ai-fal",
    (
        Operation("video", "generateVideo, getVideoJobStatus", judging.video_job),
        Operation("video_stream", "generateVideo as a stream", judging.events),
        Operation("video_refused", "a wrong input, told field by field", judging.failed_job),
        *media_rows.TANSTACK,
    ),
)

_SERVERLESS_CLIENT = Client(
    "@fal-ai/serverless-client",
    "@fal-ai/serverless-client",
    (
        Operation("run", "run", judging.clip),
        Operation("submit", "queue.submit", judging.job),
        Operation("status", "queue.status, with logs", judging.statuses),
        Operation("stream_status", "queue.streamStatus, with logs", judging.statuses),
        Operation("result", "queue.subscribeToStatus, then queue.result", judging.clip),
        Operation("subscribe", "subscribe, with logs and callback", judging.followed),
        Operation("subscribe_streaming", "subscribe in streaming mode", judging.followed),
        _cancel("ApiError"),
        Operation("upload", "storage.upload of a Blob", judging.uploaded("text/plain", 5)),
        Operation("upload_in_input", "a Blob in the input", judging.clip),
        Operation(
            "stream",
            "stream",
            error("ApiError", "Not Found", 404),
            "no: LTX-2 has no stream; 404",
        ),
    ),
)

_SERVERLESS_PROXY = Client(
    "@fal-ai/serverless-proxy",
    "@fal-ai/serverless-proxy",
    (
        Operation("run", "run, by way of an Express server", judging.clip),
        Operation("subscribe", "subscribe, with logs and callback", judging.followed),
        Operation("upload_in_input", "a Blob in the input", judging.clip),
        Operation(
            "cancel",
            "cancel; the result is then 499",
            judging.taken_for_success,
            "partly: the job is cancelled, but the Express handler turns every error into 200",
        ),
    ),
)


def _hugging_face(title: str, video: str, from_image: str, media: tuple[Operation, ...]) -> Client:
    operations = (
        Operation("video", f"{video}, with a key of fal's", judging.clip),
        Operation("video_of_image", f"{from_image}, with a key of fal's", judging.clip),
        Operation("video_routed", f"{video}, with an hf_ token", judging.clip),
        Operation("video_of_image_routed", f"{from_image}, with an hf_ token", judging.clip),
        *media,
    )
    return Client(title, title, operations)


def _looked_up(title: str, video: str, name: str, message: str) -> Client:
    reason = (
        "no: which model at fal is meant is asked of huggingface.co, which `--egress block` refuses"
    )
    lost = Operation("looked_up", f"{video}, by the Hub's mapping", error(name, message), reason)
    return Client(title, title, (lost,))


_HUB = _hugging_face("huggingface_hub", "text_to_video", "image_to_video", media_rows.HUB)
_INFERENCE = _hugging_face(
    "@huggingface/inference", "textToVideo", "imageToVideo", media_rows.INFERENCE
)
_HUB_LOOKED_UP = _looked_up(
    "huggingface_hub", "text_to_video", "ProxyError", "Blocked by falkit: huggingface.co:443"
)
_INFERENCE_LOOKED_UP = _looked_up(
    "@huggingface/inference", "textToVideo", "TypeError", "fetch failed"
)

_LITELLM = Client(
    "litellm",
    "litellm",
    (
        Operation("video", "video_generation, video_status, video_content", judging.video_job),
        Operation(
            "video_of_seconds",
            "video_generation with `seconds`",
            judging.failed_job,
            'no: it sends `"6"` where LTX-2 takes 6; `extra_body={"duration": 6}` works',
        ),
        *media_rows.LITELLM,
    ),
)


_OPENAI = Client(
    "openai",
    "openai",
    (
        Operation("chat", "chat.completions.create, by openrouter/router", judging.chatted),
        Operation("chat_stream", "the same with `stream=True`", judging.chatted),
        Operation("respond", "responses.create", media.said),
        Operation("respond_stream", "responses.stream", media.said),
        Operation("embed", "embeddings.create", judging.embedded),
    ),
)


def _http(title: str, package: str) -> Client:
    operations = (
        Operation("run", "POST to fal.run, download", judging.called),
        Operation("queue", "submit, status, result, download", judging.coded),
    )
    return Client(title, package, operations)


_POLLED: tuple[tuple[str, ...], tuple[str, ...]] = (("--timing", "polls"), ())
_AT_ONCE: tuple[tuple[str, ...], tuple[str, ...]] = (("--timing", "instant"), ())
_LOOKED_UP: tuple[tuple[str, ...], tuple[str, ...]] = ((), ("looked_up",))
# Started at once, since a client's timeout is a start timeout too, which would end them first.
_LATE = (("--timing", "0,60", "--runners", "9", "--concurrency", "0"), ("late",))
_STREAMS = (("--timing", "0,1", "--documents", str(DOCUMENTS)), ("streams",))
_RUNS = (_POLLED, _LATE, _STREAMS)
_OWN = ("--timing", "instant", "--documents", str(DOCUMENTS))
_MEDIA = (_OWN, ("media",))
_WAYS = {
    "python": ("run", "submit", "subscribe", "run_async", "submit_async", "subscribe_async"),
    "node": ("run", "queue", "subscribe"),
}


def _kinds(kind: str, name: str, *titles: str) -> Program:
    """Return the program that calls a model of every kind."""
    ways = _WAYS[kind]
    package = titles[0]
    clients = tuple(Client(title, package, media_rows.of_kinds(ways[:3])) for title in titles)
    return Program(kind, name, clients, ((_AT_ONCE[0], (str(media.KINDS), *ways)),))


PROGRAMS = (
    Program("python", "python_sync.py", (_python("fal-client"),), _RUNS),
    Program("python", "python_async.py", (_python("fal-client, async"),), _RUNS),
    _kinds("python", "kinds.py", "fal-client", "fal-client, async"),
    Program("sdk", "sdk.py", (_SDK,), (_POLLED,)),
    Program("node", "official.mjs", (_JAVASCRIPT,), _RUNS),
    _kinds("node", "kinds.mjs", "@fal-ai/client"),
    Program("node", "server_proxy.mjs", (_SERVER_PROXY,), (_POLLED,)),
    Program(
        "node",
        "ai_sdk.mjs",
        (_AI_SDK,),
        (_POLLED, ((*_POLLED[0], "--media-host", "auto"), ("here",)), _MEDIA),
    ),
    Program("node", "tanstack.mjs", (_TANSTACK,), (_POLLED, _MEDIA)),
    Program("node", "serverless.mjs", (_SERVERLESS_CLIENT, _SERVERLESS_PROXY), (_POLLED,)),
    Program("sdk", "hugging_face.py", (_HUB,), ((_OWN, ()),)),
    Program("sdk", "hugging_face.py", (_HUB_LOOKED_UP,), (_LOOKED_UP,), "huggingface.co"),
    Program("node", "hugging_face.mjs", (_INFERENCE,), ((_OWN, ()),)),
    Program("node", "hugging_face.mjs", (_INFERENCE_LOOKED_UP,), (_LOOKED_UP,), "huggingface.co"),
    Program("sdk", "lite_llm.py", (_LITELLM, _OPENAI), ((("--timing", "polls", *_OWN[2:]), ()),)),
    Program(
        "python",
        "libraries.py",
        (*(_http(name, name) for name in ("requests", "aiohttp", "httpx")), _http("urllib", "")),
        (_POLLED,),
    ),
    Program("sh", "curl.sh", (_http("curl", ""),), (_POLLED,)),
)


def rows(program: Program) -> list[str]:
    """Return the page's rows of a program's clients, as they read when all its judges agree."""
    found: list[str] = []
    for client in program.clients:
        version = PLACE.version(program.kind, client.package) or "any"
        found += [
            f"| {client.title} | {version} | {operation.label} | {operation.instead} |"
            for operation in client.operations
        ]
    return found


def table(home: Path) -> str:
    """Run every program; return the table as Markdown. Raise if one judge does not agree."""
    for program in PROGRAMS:
        told = program.told(home)
        for client in program.clients:
            for operation in client.operations:
                operation.judge(told[client.title, operation.name])
    return expected()


def expected() -> str:
    """Return the table as it reads when every judge agrees."""
    heads = ["| client | version | operation | works |", "| --- | --- | --- | --- |"]
    return "\n".join([*heads, *(row for program in PROGRAMS for row in rows(program))])
