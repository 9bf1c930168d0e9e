"""A mock's place in respx: one route for all of fal's hosts, behind those of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, cast

import httpx
import respx
from respx.patterns import Match, Pattern

_Answer = Callable[[httpx.Request], httpx.Response | httpx.Request]


class HostRoute:
    """The route of one mock, in a router that the test has started, or in one of its own.

    Of several the one that was opened last answers.
    """

    _open: ClassVar[list[HostRoute]] = []

    def __init__(
        self,
        router: respx.MockRouter | None,
        wants: Callable[[httpx.Request], bool],
        answer: _Answer,
    ) -> None:
        self._name = f"falkit {id(self)}"
        self._given = router
        self._router = router or respx.MockRouter(assert_all_called=False)
        self._wants = wants
        self._route = respx.Route(_Hosts(self))
        self._route.side_effect = answer

    @property
    def is_open(self) -> bool:
        return self in self._open

    def check(self) -> None:
        """Raise RuntimeError unless the test's router is started: until then calls go out."""
        if self._given is not None and not self._routers():
            fix = "start it first, such as by `with router:`"
            raise RuntimeError(f"router: {self._given!r} isn't started; {fix}")

    def open(self) -> None:
        if self._given is None:
            self._router.start()
        # Not by the router's add(), which would have it below a base_url.
        self._router.routes.add(self._route, name=self._name)
        self._open.append(self)

    def close(self) -> None:
        """Leave the router as it was."""
        self._open.remove(self)
        if self._given is None:
            self._router.stop()
        else:
            self._router.pop(self._name, None)

    def matches(self, request: httpx.Request) -> bool:
        """Tell whether a request is for this mock, and for no route of the test's own.

        Those count first wherever they stand, unless they are for all requests alike.
        """
        if self._open[-1] is not self or not self._wants(request):
            return False
        ours = [each._name for each in self._open]
        return not any(
            route.pattern and route.name not in ours and route.pattern.match(request)
            for router in self._routers()
            for route in router.routes
        )

    def _routers(self) -> list[respx.Router]:
        """Return the started routers; none if this one isn't."""
        started = [] if self._router.Mocker is None else self._router.Mocker.routers
        return started if self._router in started else []


class _Hosts(Pattern):
    """Matches what a route is for; equal to no other's, so that respx keeps both."""

    def match(self, request: httpx.Request) -> Match:
        return Match(cast("HostRoute", self.value).matches(request))
