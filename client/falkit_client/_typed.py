"""Which endpoint takes and gives what, for editors and type checkers.

Generated from fal's documents by `make types`: change those, not this.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from falkit_client.options import BoundOptions

if TYPE_CHECKING:
    from falkit_client._handles import AsyncBound, Bound
    from falkit_client.types.fal_ai import ltx_2_calls as fal_ai_ltx_2


class TypedEndpoints:
    """The method `endpoint`, typed for each id of the vendored documents.

    The overloads overlap on purpose: the last is for the ids that no other names.
    """

    @overload
    def endpoint(  # type: ignore[overload-overlap]
        self, endpoint: Literal["fal-ai/ltx-2/audio-to-video"], /, **options: Unpack[BoundOptions]
    ) -> fal_ai_ltx_2.AudioToVideo: ...

    @overload
    def endpoint(  # type: ignore[overload-overlap]
        self, endpoint: Literal["fal-ai/ltx-2/extend-video"], /, **options: Unpack[BoundOptions]
    ) -> fal_ai_ltx_2.ExtendVideo: ...

    @overload
    def endpoint(  # type: ignore[overload-overlap]
        self, endpoint: Literal["fal-ai/ltx-2/image-to-video"], /, **options: Unpack[BoundOptions]
    ) -> fal_ai_ltx_2.ImageToVideo: ...

    @overload
    def endpoint(  # type: ignore[overload-overlap]
        self,
        endpoint: Literal["fal-ai/ltx-2/image-to-video/fast"],
        /,
        **options: Unpack[BoundOptions],
    ) -> fal_ai_ltx_2.ImageToVideoFast: ...

    @overload
    def endpoint(  # type: ignore[overload-overlap]
        self, endpoint: Literal["fal-ai/ltx-2/retake-video"], /, **options: Unpack[BoundOptions]
    ) -> fal_ai_ltx_2.RetakeVideo: ...

    @overload
    def endpoint(  # type: ignore[overload-overlap]
        self, endpoint: Literal["fal-ai/ltx-2/text-to-video"], /, **options: Unpack[BoundOptions]
    ) -> fal_ai_ltx_2.TextToVideo: ...

    @overload
    def endpoint(  # type: ignore[overload-overlap]
        self,
        endpoint: Literal["fal-ai/ltx-2/text-to-video/fast"],
        /,
        **options: Unpack[BoundOptions],
    ) -> fal_ai_ltx_2.TextToVideoFast: ...

    @overload
    def endpoint(self, endpoint: str, /, **options: Unpack[BoundOptions]) -> Bound: ...

    def endpoint(self, endpoint: str, /, **options: Unpack[BoundOptions]) -> Any:
        """One endpoint with its options bound: call it with its inputs as keywords.

        An editor completes the inputs, and a type checker refuses wrong ones, where the id is
        one of the vendored documents'. Nothing is sent.
        """
        return self._bound(endpoint, options)

    @abstractmethod
    def _bound(self, endpoint: str, options: BoundOptions) -> Bound:
        """Bind one endpoint."""


class AsyncTypedEndpoints:
    """The method `endpoint`, typed for each id of the vendored documents.

    The overloads overlap on purpose: the last is for the ids that no other names.
    """

    @overload
    def endpoint(  # type: ignore[overload-overlap]
        self, endpoint: Literal["fal-ai/ltx-2/audio-to-video"], /, **options: Unpack[BoundOptions]
    ) -> fal_ai_ltx_2.AsyncAudioToVideo: ...

    @overload
    def endpoint(  # type: ignore[overload-overlap]
        self, endpoint: Literal["fal-ai/ltx-2/extend-video"], /, **options: Unpack[BoundOptions]
    ) -> fal_ai_ltx_2.AsyncExtendVideo: ...

    @overload
    def endpoint(  # type: ignore[overload-overlap]
        self, endpoint: Literal["fal-ai/ltx-2/image-to-video"], /, **options: Unpack[BoundOptions]
    ) -> fal_ai_ltx_2.AsyncImageToVideo: ...

    @overload
    def endpoint(  # type: ignore[overload-overlap]
        self,
        endpoint: Literal["fal-ai/ltx-2/image-to-video/fast"],
        /,
        **options: Unpack[BoundOptions],
    ) -> fal_ai_ltx_2.AsyncImageToVideoFast: ...

    @overload
    def endpoint(  # type: ignore[overload-overlap]
        self, endpoint: Literal["fal-ai/ltx-2/retake-video"], /, **options: Unpack[BoundOptions]
    ) -> fal_ai_ltx_2.AsyncRetakeVideo: ...

    @overload
    def endpoint(  # type: ignore[overload-overlap]
        self, endpoint: Literal["fal-ai/ltx-2/text-to-video"], /, **options: Unpack[BoundOptions]
    ) -> fal_ai_ltx_2.AsyncTextToVideo: ...

    @overload
    def endpoint(  # type: ignore[overload-overlap]
        self,
        endpoint: Literal["fal-ai/ltx-2/text-to-video/fast"],
        /,
        **options: Unpack[BoundOptions],
    ) -> fal_ai_ltx_2.AsyncTextToVideoFast: ...

    @overload
    def endpoint(self, endpoint: str, /, **options: Unpack[BoundOptions]) -> AsyncBound: ...

    def endpoint(self, endpoint: str, /, **options: Unpack[BoundOptions]) -> Any:
        """One endpoint with its options bound: call it with its inputs as keywords.

        An editor completes the inputs, and a type checker refuses wrong ones, where the id is
        one of the vendored documents'. Nothing is sent.
        """
        return self._bound(endpoint, options)

    @abstractmethod
    def _bound(self, endpoint: str, options: BoundOptions) -> AsyncBound:
        """Bind one endpoint."""
