"""Refusals, and calls without the queue (wire.md §2, §4, §6)."""

from __future__ import annotations

from typing import cast

from falkit_contract.conform.checks import Table
from falkit_contract.conform.probe import CouldNotLook, NotApplicable, Probe, short
from falkit_contract.conform.target import QUEUE, RUN, Exchange
from falkit_spec.types import JSON, Object

TABLE = Table()
# An app that nobody has.
_NO_APP = "no-such-app-falkit-conform"


@TABLE.add("errors.key.missing", "§2", "Without a key a submit is 401, in JSON with a `detail`")
def _(probe: Probe) -> None:
    reply = probe.ask("POST", probe.submit_url, body=probe.setup.input, key=False)
    probe.code(reply, 401)
    probe.expect("detail" in reply.fields(), "detail", reply.text)


@TABLE.add("errors.app.unknown", "§2", "A submit to an app that nobody has is 404")
def _(probe: Probe) -> None:
    reply = _no_app(probe)
    probe.code(reply, 404)
    detail = reply.fields().get("detail")
    right = f'Application "{_NO_APP}" not found'
    probe.note(detail == right, f"its detail is {short(detail)}; fal's is taken to be {right!r}")


@TABLE.add("errors.label", "§12 row 11", "Errors are JSON, and say so", 1)
def _(probe: Probe) -> None:
    for reply in (_no_app(probe), probe.run(probe.wrong_input())):
        if reply.status < 400:
            raise CouldNotLook(f"no error to look at: code {reply.status}")
        label = reply.headers.get("content-type", "")
        said = label.startswith("application/json") and reply.json() is not None
        probe.expect(said, "content-type application/json", f"{label}: {reply.text}")


@TABLE.add("errors.request-id", "§12 row 11", "Errors have x-fal-request-id, and no `nginx`", 1)
def _(probe: Probe) -> None:
    for reply in (_no_app(probe), probe.run(probe.wrong_input())):
        if reply.status < 400:
            raise CouldNotLook(f"no error to look at: code {reply.status}")
        named = "x-fal-request-id" in reply.headers
        probe.expect(named, "the header x-fal-request-id", sorted(reply.headers))
        probe.expect("nginx" not in reply.text, "no `nginx` in the body", reply.text)


@TABLE.add("errors.input.shape", "§6.1", "`detail` is a list of loc, msg and type", 1)
def _(probe: Probe) -> None:
    for item in _refused(probe, probe.wrong_input()):
        place, words = item.get("loc"), (item.get("msg"), item.get("type"))
        told = isinstance(place, list) and place[:1] == ["body"]
        probe.expect(told, 'loc, a list that begins with "body"', place)
        probe.expect(all(isinstance(one, str) and one for one in words), "msg and type", item)


@TABLE.add("errors.input.words", "§14.4", "A wrong input is worded as by Pydantic 2", 1)
def _(probe: Probe) -> None:
    input = probe.wrong_input()
    wanted = [cast("Object", {**fault}) for fault in probe.endpoint.validate(input)]
    _worded(probe, _refused(probe, input), wanted)


@TABLE.add("errors.input.number-as-text", "§14.4", "A number of a list isn't taken as text", 1)
def _(probe: Probe) -> None:
    for name, schema in _properties(probe).items():
        listed = schema.get("enum") if isinstance(schema, dict) else None
        if isinstance(listed, list) and listed and all(isinstance(one, int) for one in listed):
            input: Object = {**probe.setup.input, name: str(listed[0])}
            wanted = [cast("Object", {**fault}) for fault in probe.endpoint.validate(input)]
            if wanted:
                _worded(probe, _refused(probe, input), wanted)
                return
    raise NotApplicable("the endpoint has no input that is one of a list of numbers")


@TABLE.add("errors.input.undeclared", "§14.5", "A field that the document lacks is ignored", 1)
def _(probe: Probe) -> None:
    probe.code(probe.run({**probe.setup.input, "falkit_conform": "undeclared"}), 200)


@TABLE.add("errors.input.wrapped", "§3.1", 'The body is the bare input: {"input": …} is refused', 1)
def _(probe: Probe) -> None:
    wrapped: Object = {"input": probe.setup.input}
    if not probe.endpoint.validate(wrapped):
        raise NotApplicable("the endpoint needs no field, so nothing is missing in a wrapper")
    probe.code(probe.run(wrapped), 422)


@TABLE.add("errors.input.unreadable", "§4", "A body that isn't JSON is 422", 1)
def _(probe: Probe) -> None:
    reply = probe.run(b'{"prompt": ')
    probe.code(reply, 422)
    probe.expect(isinstance(reply.fields().get("detail"), list), "detail, a list", reply.text)


@TABLE.add("errors.input.unbilled", "§6.3", "A refused input has x-fal-billable-units: 0", 1)
def _(probe: Probe) -> None:
    reply = probe.run(probe.wrong_input())
    if reply.status < 400:
        raise CouldNotLook(f"a wrong input isn't refused: code {reply.status}")
    got = reply.headers.get("x-fal-billable-units")
    try:
        free = float(got or "x") == 0
    except ValueError:
        free = False
    probe.expect(free, "x-fal-billable-units: 0", got)


@TABLE.add("errors.direct.done", "§4", "A direct call is 200: the output and x-fal-request-id", 1)
def _(probe: Probe) -> None:
    reply = probe.run()
    probe.code(reply, 200)
    wrong = probe.endpoint.validate_output(reply.json())
    probe.expect(not wrong, "an output as the endpoint's document has it", "; ".join(wrong[:3]))
    named = "x-fal-request-id" in reply.headers
    probe.expect(named, "the header x-fal-request-id", sorted(reply.headers))


@TABLE.add(
    "errors.direct.refused", "§4", "A direct call refuses a wrong input at once, with 422", 1
)
def _(probe: Probe) -> None:
    probe.code(probe.run(probe.wrong_input()), 422)


@TABLE.add("errors.direct.path", "§4", "A path that the app lacks is 404 `Path /x not found`", 1)
def _(probe: Probe) -> None:
    url = f"https://{RUN}/{probe.endpoint.app}/falkit-conform"
    reply = probe.run(probe.wrong_input(), url)
    probe.code(reply, 404)
    got = reply.fields().get("detail")
    right = "Path /falkit-conform not found"
    probe.expect(got == right, f"detail {right!r}", got)


def _no_app(probe: Probe) -> Exchange:
    return probe.ask("POST", f"https://{QUEUE}/fal-ai/{_NO_APP}", body=probe.setup.input)


def _refused(probe: Probe, input: Object) -> list[Object]:
    """Return the items of a refusal."""
    reply = probe.run(input)
    if reply.status not in (400, 422):
        probe.fail("code 422", f"{reply.status} {reply.text}")
    detail = reply.fields().get("detail")
    items = [one for one in detail if isinstance(one, dict)] if isinstance(detail, list) else []
    probe.expect(bool(items), "detail, a list of objects", reply.text)
    return items


def _worded(probe: Probe, items: list[Object], wanted: list[Object]) -> None:
    def facts(item: Object) -> Object:
        return {name: item.get(name) for name in ("type", "loc", "msg")}

    expected, got = [*map(facts, wanted)], [*map(facts, items)]
    probe.expect(got == expected, short(expected), short(got))


def _properties(probe: Probe) -> dict[str, JSON]:
    found = probe.endpoint.input_schema.get("properties")
    return found if isinstance(found, dict) else {}
