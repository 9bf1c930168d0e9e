"""GET, POST, PUT and DELETE /__falkit/rules, one of them or all, and GET /__falkit/faults."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.routing import Route

from falkit_mock.control import InvalidField, Unknown, answer, body_of, query_of
from falkit_mock.core import HINT, header_text
from falkit_mock.faults import RuleError
from falkit_mock.faults.catalogue import FAULTS
from falkit_mock.faults.rulebook import RuleState
from falkit_mock.hosts.replies import Reply
from falkit_mock.service.service import Service
from falkit_spec import JSON, Catalog

Source = str | Mapping[str, JSON]


def fault_routes(service: Service, catalog: Catalog) -> list[Route]:
    """Return the routes below /__falkit."""
    rules = Rules(service, catalog)
    return [
        Route("/rules", rules.list),
        Route("/rules", rules.add, methods=["POST"]),
        Route("/rules", rules.replace_all, methods=["PUT"]),
        Route("/rules", rules.clear, methods=["DELETE"]),
        Route("/rules/{rule_id}", rules.one),
        Route("/rules/{rule_id}", rules.replace, methods=["PUT"]),
        Route("/rules/{rule_id}", rules.remove, methods=["DELETE"]),
        Route("/faults", rules.faults),
    ]


class Rules:
    """The operations on rules. A rule is a line, or a table with the same names."""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._catalog = catalog
        self._book = service.rules

    async def list(self, request: Request) -> Reply:
        query_of(request)
        return self._all()

    async def add(self, request: Request) -> Reply:
        source = _source((await body_of(self._service, request, "rule")).value("rule"), "rule")
        try:
            kept = self._book.add(source)
        except RuleError as error:
            raise _unusable(error) from None
        return self._told(kept, 201)

    async def replace_all(self, request: Request) -> Reply:
        given = (await body_of(self._service, request, "rules")).value("rules")
        if not isinstance(given, list):
            raise InvalidField.lacking("rules", "give a list of rules, each a line or a table")
        try:
            self._book.replace_all([_source(each, "rules") for each in given])
        except RuleError as error:
            raise _unusable(error) from None
        return self._all()

    async def clear(self, request: Request) -> Reply:
        query_of(request)
        removed = len(self._book.all())
        self._book.clear()
        return answer(self._service, {"removed": removed})

    async def one(self, request: Request) -> Reply:
        query_of(request)
        return answer(self._service, self._known(request).to_json())

    async def replace(self, request: Request) -> Reply:
        source = _source((await body_of(self._service, request, "rule")).value("rule"), "rule")
        known = self._known(request)
        try:
            kept = self._book.replace(known.id, source) or known
        except RuleError as error:
            raise _unusable(error) from None
        return self._told(kept)

    async def remove(self, request: Request) -> Reply:
        query_of(request)
        known = self._known(request)
        self._book.remove(known.id)
        return answer(self._service, {"removed": 1})

    async def faults(self, request: Request) -> Reply:
        query_of(request)
        described: list[JSON] = [fault.to_json() for fault in FAULTS.values()]
        return answer(self._service, {"faults": described})

    def _told(self, kept: RuleState, status_code: int = 200) -> Reply:
        """Answer with a rule that was set, and a hint if it can befall nobody here."""
        reply = answer(self._service, kept.to_json(), status_code)
        if missed := kept.rule.missed(endpoint.id for endpoint in self._catalog):
            reply.headers[HINT] = header_text(missed)
        return reply

    def _all(self) -> Reply:
        rules: list[JSON] = [kept.to_json() for kept in self._book.all()]
        return answer(self._service, {"rules": rules})

    def _known(self, request: Request) -> RuleState:
        id = str(request.path_params["rule_id"])
        kept = self._book.get(id)
        if kept is None:
            raise Unknown("rule_id", id, "is no rule's; GET /__falkit/rules lists them")
        return kept


def _source(value: JSON, field: str) -> Source:
    if isinstance(value, str | Mapping):
        return value
    mend = 'give a line such as "image_load_error times=2", or a table with a fault in it'
    if value is None:
        raise InvalidField.lacking(field, mend)
    raise InvalidField(field, value, f"is no rule; {mend}")


def _unusable(error: RuleError) -> InvalidField:
    refusal = InvalidField(error.field, error.value, error.fix)
    refusal.body["detail"] = str(error)
    return refusal
