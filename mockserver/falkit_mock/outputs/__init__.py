"""What a model answers: an output by its document, its input and a seed, and the files in it.

Rules of names and shapes decide (docs/outputs.md), never an endpoint's id.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from weakref import WeakKeyDictionary

from falkit_mock.core import shortened
from falkit_mock.core.identity import Identity
from falkit_mock.core.jobs import ParsedRequest
from falkit_mock.core.settings import Workload
from falkit_mock.outputs.draft import MISSING, Draft, Step
from falkit_mock.outputs.fields import Fields, fields_of
from falkit_mock.outputs.figures import NOTHING_SEEN, Figures, Seen
from falkit_mock.outputs.kinds import Kind, file_in, words
from falkit_mock.outputs.openai import shape_of
from falkit_mock.outputs.plan import Planner
from falkit_mock.outputs.shapes import ours
from falkit_spec import JSON, Endpoint
from falkit_spec.schema import ordered
from falkit_spec.types import Object, is_object

_NAMED = 8
"""So many fields a hint names."""
_MOST_REPAIRED = 100
"""So many fields of an output that fails its schema are tried one by one."""
_MOST_FIELDS = 500
"""So many of an input's fields are looked at."""
_TAKES: Mapping[Kind | None, float] = {"model": 30.0, "weights": 150.0}
"""Seconds of a clip that take as long to make as a file of a kind; of others 1."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How an endpoint's outputs are written; worked out once."""

    write: Step
    fields: Fields | None
    """What the input says by its names; None where the document names none."""
    scales: bool
    shown: Object
    """The document's example of a file."""
    usual: Object
    """The defaults of the input's fields."""
    example: Step
    """Writes the document's example of an output, with files of our own."""
    hint: str | None
    makes: Kind | None
    """The kind of its files; None where there are none."""


@dataclass(slots=True)
class Made:
    """An output and its files, of which some may have to be made before it is whole."""

    output: JSON
    draft: Draft
    hint: str | None
    """Which fields are only the document's example."""


def output_of(
    parsed: ParsedRequest,
    request_id: str,
    identity: Identity,
    media_base: str,
    *,
    seen: Seen = NOTHING_SEEN,
    run: float = 0.0,
    details: bool = False,
) -> Made:
    """Write the output of a request that succeeds; the same for the same request and id."""
    endpoint = parsed.endpoint
    plan = _PLANS.get(endpoint) or _plan(endpoint)
    figures = _figures(plan, parsed, seen)
    draft = Draft(
        endpoint.id,
        request_id,
        parsed.digest,
        parsed.input,
        figures,
        identity,
        media_base,
        run,
        details,
        [],
        False,
        figures.hints,
    )
    output = plan.write(draft)
    draft.counted()
    if output is MISSING or not endpoint.is_valid_output(output):
        return Made(_repaired(endpoint, output, draft), draft, plan.hint)
    return Made(output, draft, plan.hint)


# A document that is read anew has another endpoint; the plan of the one before goes with it.
_PLANS = WeakKeyDictionary[Endpoint, Plan]()


def _plan(endpoint: Endpoint) -> Plan:
    planner = Planner(endpoint)
    names = tuple(islice(ordered(endpoint.input_schema), _MOST_FIELDS))
    spelt = words(endpoint.id.partition("/")[2])
    scales = any(word.startswith(("upscal", "super", "esrgan")) for word in spelt)
    write = shape_of(endpoint.id) or planner.plan()
    hint, example = None, endpoint.example_output()
    if exampled := planner.exampled:
        more = f", and {len(exampled) - _NAMED} more" if len(exampled) > _NAMED else ""
        hint = f"only the document's example: {', '.join(map(shortened, exampled[:_NAMED]))}{more}"
    plan = _PLANS[endpoint] = Plan(
        write,
        fields_of(names, scales) if names else None,
        scales,
        dict(file_in(example)),
        endpoint.with_defaults({}),
        ours(example, (), planner.makes),
        hint,
        planner.makes if planner.makes in planner.kinds else next(iter(planner.kinds), None),
    )
    return plan


def _figures(plan: Plan, parsed: ParsedRequest, seen: Seen) -> Figures:
    input = parsed.input
    fields = plan.fields or fields_of(tuple(islice(input, _MOST_FIELDS)), plan.scales)
    return Figures(input, fields, parsed.media, parsed.video, seen, plan.shown, plan.usual)


def workload_of(parsed: ParsedRequest) -> Workload:
    """Return how much a request asks for, as seconds of a clip that would take as long."""
    plan = _PLANS.get(parsed.endpoint) or _plan(parsed.endpoint)
    figures = _figures(plan, parsed, NOTHING_SEEN)
    if parsed.video is not None:
        return Workload(float(parsed.video.seconds), math.prod(figures.video_size))
    if plan.makes == "video":
        return Workload(figures.clip_seconds, math.prod(figures.video_size))
    if plan.makes == "image":
        return Workload(figures.count, math.prod(figures.image_size))
    if plan.makes == "audio":
        return Workload(figures.sound_seconds / 10, 1_000_000)
    return Workload(_TAKES.get(plan.makes, 1.0), 1_000_000)


def kind_of_output(endpoint: Endpoint) -> Kind | None:
    """Return the kind of file that an endpoint makes; None for text."""
    return (_PLANS.get(endpoint) or _plan(endpoint)).makes


def _repaired(endpoint: Endpoint, output: object, draft: Draft) -> JSON:
    """Return what of an output its schema allows, and the document's example for the rest."""
    example = _PLANS[endpoint].example(draft)
    whole: Object = example if is_object(example) else {}
    fields = output.items() if is_object(output) else ()
    for name, value in islice(fields, _MOST_REPAIRED):
        tried = {**whole, name: value}
        if endpoint.is_valid_output(tried):
            whole = tried
    return whole
