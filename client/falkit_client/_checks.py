"""Inputs and outputs against the catalog: what is wrong is found before it costs anything."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from falkit_client._address import endpoint_path
from falkit_client.errors import BadOutput, InvalidInput, UnknownEndpoint
from falkit_client.result import JsonObject, Result
from falkit_spec.catalog import Catalog
from falkit_spec.endpoint import Endpoint
from falkit_spec.errors import UnknownEndpoint as NotInCatalog
from falkit_spec.types import Object


@dataclass(frozen=True, slots=True)
class Checks:
    """The catalog's word on inputs and outputs; `always` is the default where a call says none."""

    catalog: Catalog
    always: bool = True

    def input(self, endpoint: str, body: Object, *, check: bool | None) -> None:
        """Raise InvalidInput with all faults, or UnknownEndpoint with ids that come near."""
        endpoint_path(endpoint)
        if not self._wanted(check):
            return
        faults = self.known(endpoint).validate(body)
        if faults:
            raise InvalidInput(
                f"the input for {endpoint} breaks its document; nothing was sent",
                endpoint=endpoint,
                faults=faults,
                detail=faults,
            )

    def output(self, result: Result[JsonObject], *, check: bool | None) -> Result[JsonObject]:
        """The same result; BadOutput, which carries it, if it breaks the document."""
        if not self._wanted(check):
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

    def price(self, endpoint: str, body: Object) -> Decimal | None:
        """US dollars that the input costs; None where no price is known."""
        return self.known(endpoint).price(body)

    def known(self, endpoint: str) -> Endpoint:
        """The catalog's entry; UnknownEndpoint with ids that come near."""
        try:
            return self.catalog.get(endpoint)
        except NotInCatalog as error:
            raise UnknownEndpoint(
                f"{error} (check=False calls it unchecked)", near=error.near, endpoint=endpoint
            ) from error

    def _wanted(self, check: bool | None) -> bool:
        return self.always if check is None else check
