"""Rules and faults: listed, added, replaced, removed."""

from __future__ import annotations

from falkit_mock.control import Call, InvalidField, Operation, Unknown, answer
from falkit_mock.core import HINT, header_text
from falkit_mock.faults import RuleError
from falkit_mock.faults.catalogue import FAULTS
from falkit_mock.faults.rulebook import RuleState
from falkit_mock.hosts.replies import Reply
from falkit_mock.service.service import Service
from falkit_spec import JSON, Catalog


def rule_operations(service: Service, catalog: Catalog) -> dict[str, Operation]:
    """Return the operations by their ids."""
    rules = Rules(service, catalog)
    return {
        "rules": rules.list,
        "addRule": rules.add,
        "replaceRules": rules.replace_all,
        "clearRules": rules.clear,
        "rule": rules.one,
        "replaceRule": rules.replace,
        "removeRule": rules.remove,
        "faults": rules.faults,
    }


class Rules:
    """The operations on rules. A rule is a line, or a table with the same names."""

    def __init__(self, service: Service, catalog: Catalog) -> None:
        self._service = service
        self._catalog = catalog
        self._book = service.rules

    async def list(self, call: Call) -> Reply:
        return self._all()

    async def add(self, call: Call) -> Reply:
        try:
            kept = self._book.add(call.fields["rule"])
        except RuleError as error:
            raise _invalid(error) from None
        return self._one(kept, 201)

    async def replace_all(self, call: Call) -> Reply:
        try:
            self._book.replace_all(call.fields["rules"])
        except RuleError as error:
            raise _invalid(error) from None
        return self._all()

    async def clear(self, call: Call) -> Reply:
        removed = len(self._book.all())
        self._book.clear()
        return answer(self._service, {"removed": removed})

    async def one(self, call: Call) -> Reply:
        return answer(self._service, self._known(call).to_json())

    async def replace(self, call: Call) -> Reply:
        known = self._known(call)
        try:
            kept = self._book.replace(known.id, call.fields["rule"]) or known
        except RuleError as error:
            raise _invalid(error) from None
        return self._one(kept)

    async def remove(self, call: Call) -> Reply:
        self._book.remove(self._known(call).id)
        return answer(self._service, {"removed": 1})

    async def faults(self, call: Call) -> Reply:
        described: list[JSON] = [fault.to_json() for fault in FAULTS.values()]
        return answer(self._service, {"faults": described})

    def _one(self, kept: RuleState, status_code: int = 200) -> Reply:
        """Answer with a rule that was set, and a hint if it can match nothing here."""
        reply = answer(self._service, kept.to_json(), status_code)
        if missed := kept.rule.missed(endpoint.id for endpoint in self._catalog):
            reply.headers[HINT] = header_text(missed)
        return reply

    def _all(self) -> Reply:
        rules: list[JSON] = [kept.to_json() for kept in self._book.all()]
        return answer(self._service, {"rules": rules})

    def _known(self, call: Call) -> RuleState:
        id: str = call.fields["rule_id"]
        kept = self._book.get(id)
        if kept is None:
            raise Unknown("rule_id", id, "isn't a rule's id; GET /__falkit/rules lists them")
        return kept


def _invalid(error: RuleError) -> InvalidField:
    refusal = InvalidField(error.field, error.value, error.fix)
    refusal.body["detail"] = str(error)
    return refusal
