"""Inputs and outputs against the catalog: what is wrong is found before it costs anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from falkit_client._requests import endpoint_path
from falkit_client.errors import BadOutput, InvalidInput, UnknownEndpoint
from falkit_client.results import JsonObject, Result
from falkit_spec.catalog import Catalog
from falkit_spec.endpoint import Endpoint
from falkit_spec.errors import UnknownEndpoint as NotInCatalog
from falkit_spec.types import Fault, Object


@dataclass(frozen=True, slots=True)
class Checks:
    """The catalog's word on inputs and outputs; `always` is the default where a call says none."""

    catalog: Catalog
    always: bool = True

    def entry(self, endpoint: str, *, check: bool | None) -> Endpoint | None:
        """The catalog's entry; where nothing is checked, None if there is none."""
        endpoint_path(endpoint)
        if self.wanted(check) or endpoint in self.catalog:
            return self.known(endpoint)
        return None

    def input(
        self, endpoint: str, body: Object, found: Sequence[Fault] = (), *, check: bool | None
    ) -> None:
        """Raise InvalidInput with the faults found before and all that the document has to say."""
        blamed = {tuple(fault["loc"][:2]) for fault in found}
        faults = list(found)
        if self.wanted(check):
            said = self.known(endpoint).validate(body)
            faults += [fault for fault in said if tuple(fault["loc"][:2]) not in blamed]
        if faults:
            raise InvalidInput(
                f"the input for {endpoint} is wrong; nothing was sent",
                endpoint=endpoint,
                faults=faults,
                detail=faults,
                hint=_mend(faults),
            )

    def output(self, result: Result[JsonObject], *, check: bool | None) -> Result[JsonObject]:
        """The same result; BadOutput, which carries it, if it breaks the document."""
        if not self.wanted(check):
            return result
        try:
            known = self.catalog.get(result.endpoint)
        except NotInCatalog:
            return result
        wrong = known.validate_output(result.output)
        if wrong:
            raise BadOutput(
                f"the output of {result.endpoint} breaks its document: {'; '.join(wrong)}",
                result,
                endpoint=result.endpoint,
                request_id=result.request_id,
                detail=wrong,
            )
        return result

    def known(self, endpoint: str) -> Endpoint:
        """The catalog's entry; UnknownEndpoint with ids that come near."""
        try:
            return self.catalog.get(endpoint)
        except NotInCatalog as error:
            raise UnknownEndpoint(
                f"{error} (check=False calls it unchecked)", near=error.near, endpoint=endpoint
            ) from error

    def wanted(self, check: bool | None) -> bool:
        """Whether a call is checked; its own word counts first."""
        return self.always if check is None else check


def _mend(faults: Sequence[Fault]) -> str | None:
    """What is overlooked most often: fal's own types say strings where only integers will do."""
    for fault in faults:
        given = fault["input"]
        if fault["type"] == "literal_error" and isinstance(given, str) and given.isdigit():
            return f"{fault['loc'][-1]}: send the integer {given}, without quotes"
    return None
