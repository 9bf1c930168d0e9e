"""What a test expects to have been submitted, and which job came nearest to it."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeAlias, cast

if TYPE_CHECKING:
    from falkit.views import Job
    from falkit_mock.core.events import RequestRecord
    from falkit_spec import JSON

BASE_URL = "http://127.0.0.1:4325"
"""Where `falkit serve` listens by default."""

_MOST_DIFFERENCES, _LONGEST = 8, 200
# A place in an input, what was expected there, and what is there.
_Difference: TypeAlias = tuple[str, str, str]


def curl(
    endpoint_id: str,
    input: JSON,
    *,
    base_url: str = BASE_URL,
    host: str = "fal.run",
    key: str = "falkit",
) -> str:
    """Return the command that posts an input to an endpoint.

    `host` is fal's own, such as `queue.fal.run`; `base_url` is the stand-in in front of it, or
    empty for fal itself.

    >>> print(curl("fal-ai/ltx-2/text-to-video", {"prompt": "it's"}, base_url=""))
    curl https://fal.run/fal-ai/ltx-2/text-to-video -H 'Authorization: Key falkit' \
-H 'Content-Type: application/json' -d '{"prompt": "it'"'"'s"}'
    """
    origin = f"{base_url.rstrip('/')}/{host}" if base_url else f"https://{host}"
    return shlex.join(
        [
            *("curl", f"{origin}/{endpoint_id}"),
            *("-H", f"Authorization: Key {key}"),
            *("-H", "Content-Type: application/json"),
            *("-d", json.dumps(input, ensure_ascii=True)),
        ]
    )


def check_submitted(
    jobs: Sequence[Job],
    requests: Sequence[RequestRecord],
    endpoint: str,
    expected: Mapping[str, Any] | None,
    times: int | None,
) -> list[Job]:
    """Return the jobs of an endpoint, or a glob of it, whose input has all that is expected.

    Raise AssertionError unless there is one, or there are exactly `times`; it says what came
    nearest. Raise ValueError for arguments that make no sense.
    """
    __tracebackhide__ = True
    if times is not None and (isinstance(times, bool) or times < 0):
        raise ValueError(f"times: {times!r} is no number of jobs; give 0 or more")
    of_endpoint = [job for job in jobs if fnmatchcase(job.endpoint_id, endpoint)]
    wanted: Mapping[str, Any] = expected or {}
    found = [job for job in of_endpoint if not differences(wanted, job.input)]
    if len(found) == times or (times is None and found):
        return found
    lines: list[str] = []
    if found:
        problem = f"{len(found)} jobs of {endpoint} match" if len(found) > 1 else "1 job matches"
        problem += f", and {times or 'none'} should"
        shown = found[-1]
    elif of_endpoint:
        shown = min(reversed(of_endpoint), key=lambda job: len(differences(wanted, job.input)))
        number = len(of_endpoint)
        nearest = "that one" if number == 1 else f"the nearest of {number}"
        problem = f"no job of {endpoint} has this input; {nearest}, {shown.request_id}, differs"
        lines = _told(differences(wanted, shown.input))
    elif jobs:
        counts = Counter(job.endpoint_id for job in jobs)
        others = ", ".join(f"{number} of {id}" for id, number in counts.most_common(5))
        problem = f"no job of {endpoint} was submitted; there is {others}"
        shown = jobs[-1]
    else:
        raise AssertionError(f"{endpoint}: nothing was submitted{_last(requests)}")
    lines.append(curl(shown.endpoint_id, shown.input))
    raise AssertionError("\n".join([problem, *(f"  {line}" for line in lines)]))


def differences(expected: object, given: object, place: str = "") -> list[_Difference]:
    """Return where an input isn't as expected: the place, what was expected, what is there.

    Of an object only the fields that are expected count; all else is compared by `==`, so that
    `unittest.mock.ANY` stands for anything.
    """
    wrong = [(place or "input", _shown(expected), _shown(given))]
    if isinstance(expected, Mapping):
        if not isinstance(given, Mapping):
            return wrong
        fields, there = cast("Mapping[str, object]", expected), cast("Mapping[str, object]", given)
        found: list[_Difference] = []
        for name, value in fields.items():
            inner = f"{place}.{name}" if place else name
            if name in there:
                found += differences(value, there[name], inner)
            else:
                found.append((inner, _shown(value), "nothing"))
        return found
    if isinstance(expected, list) and isinstance(given, list):
        items, those = cast("list[object]", expected), cast("list[object]", given)
        if len(items) == len(those):
            pairs = enumerate(zip(items, those, strict=True))
            return [one for n, pair in pairs for one in differences(*pair, f"{place}[{n}]")]
    return [] if expected == given else wrong


def _told(found: Sequence[_Difference]) -> list[str]:
    lines = [f"{place}: expected {one}, got {other}" for place, one, other in found]
    more = len(lines) - _MOST_DIFFERENCES
    return [*lines[:_MOST_DIFFERENCES], f"and {more} more"] if more > 0 else lines


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _last(requests: Sequence[RequestRecord]) -> str:
    """Say what the last request was, which may tell why there is no job."""
    if not requests:
        return ", and no request came at all"
    one = requests[-1]
    hint = f" ({one.hint})" if one.hint else ""
    return f"; the last request was {one.method} {one.host}{one.path}: {one.status}{hint}"
