"""All that happened in a mock as one page of HTML, which opens without the mock."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import Any

from falkit_mock.control import Call, Operation
from falkit_mock.core.network import MEDIA
from falkit_mock.hosts.replies import REQUEST_ID, AnyReply, Reply
from falkit_mock.service.service import Service

# The newest of each, and bytes of pictures in all.
_JOBS, _REQUESTS, _DELIVERIES, _PICTURES = 500, 1000, 500, 2_000_000
_HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "content-disposition": 'attachment; filename="falkit-session.html"',
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}


class SessionControl:
    """The operation that writes what the others tell into one file."""

    def __init__(self, service: Service, operations: Mapping[str, Operation]) -> None:
        self._service = service
        self._operations = operations

    async def written(self, call: Call) -> AnyReply:
        # Lazy: most mocks are never asked.
        from falkit_spec.reports.reading import read_report
        from falkit_spec.reports.session import Session, as_session

        async def told(id: str, **fields: object) -> Any:
            """Return what another operation answers."""
            reply = await self._operations[id](Call(call.request, fields))
            assert isinstance(reply, Reply)
            return json.loads(reply.body)

        report = read_report(await told("report", conclude=call.fields["conclude"]))
        jobs = await told("jobs", limit=_JOBS, details=True, total=True)
        requests = await told("requests", limit=_REQUESTS, wait=0, count=1)
        deliveries = await told("deliveries", limit=_DELIVERIES, wait=0, count=1)
        files: dict[str, list[dict[str, Any]]] = {}
        for job in jobs["jobs"]:
            id: str = job["request_id"]
            listed = await told("files", kind="output", limit=1000, request_id=id)
            files[id] = listed["files"]
        logged = requests["requests"]
        pictures, left = await self._pictures(files)
        session = Session(
            time=self._service.clock.now(),
            jobs=jobs["jobs"],
            jobs_in_all=jobs["total"],
            requests=logged[::-1],
            # Numbers go on when the log is cleared.
            requests_in_all=requests["last"] if len(logged) == _REQUESTS else len(logged),
            deliveries=deliveries["deliveries"][::-1],
            deliveries_in_all=deliveries["total"],
            files=files,
            pictures=pictures,
            pictures_left=left,
        )
        page = await asyncio.to_thread(as_session, report, session)
        headers = {**_HEADERS, REQUEST_ID: self._service.identity.reply_id()}
        return Reply(page.encode(), 200, headers)

    async def _pictures(
        self, files: Mapping[str, list[dict[str, Any]]]
    ) -> tuple[dict[str, str], int]:
        """Return small pictures as data URIs by their URLs, and how many are left out."""
        from falkit_mock.service.images import small

        media, made, left, size = self._service.media, dict[str, str](), 0, 0
        for file in (one for listed in files.values() for one in listed):
            if not file["content_type"].startswith("image/"):
                continue
            found = media.record(file["url"].removeprefix(f"/{MEDIA}"))
            data = b""
            if found is not None and size < _PICTURES:
                data = await asyncio.to_thread(small, (await media.file(*found)).data)
            if not data or size + len(data) > _PICTURES:
                left += 1
                continue
            size += len(data)
            made[file["url"]] = f"data:image/png;base64,{base64.b64encode(data).decode()}"
        return made, left


def session_operations(
    service: Service, operations: Mapping[str, Operation]
) -> dict[str, Operation]:
    """Return the operation by its id; it asks the others."""
    return {"session": SessionControl(service, operations).written}
