"""What both clients do with files, side by side: downloads of outputs, uploads of inputs."""

from __future__ import annotations

from os import PathLike
from typing import Any, Unpack

from falkit_client._core import Core
from falkit_client._transport import AsyncTransport, Transport
from falkit_client.download import Progress, SavedFile
from falkit_client.results import Result
from falkit_client.uploads import Source, UploadOptions


class FileCalls:
    """The calls of Client that are about files."""

    _core: Core
    _transport: Transport

    def download(
        self,
        source: Result[Any] | str,
        path: str | PathLike[str],
        *,
        progress: Progress | None = None,
    ) -> SavedFile:
        """Save the file of a result, or of a URL, as `path`, or in it if it is a folder.

        The file appears whole or not at all. A download that broke off continues where it ended
        if the host still has the same version. `progress` gets the bytes received and in total.
        Raises DownloadFailed; ValueError where the output names no file, or several.
        """
        return self._transport.finish(self._core.download(source, path, progress))

    def download_all(
        self,
        source: Result[Any] | str,
        path: str | PathLike[str],
        *,
        progress: Progress | None = None,
    ) -> list[SavedFile]:
        """Save all files of a result, wherever in it they are, and embedded ones too.

        They go into the folder `path`, which may be a new one if it ends in a slash; names that
        are there already get a number. Else the first gets `path` itself, and the others
        get numbers. Raises DownloadFailed; ValueError where the output names no file.
        """
        return self._transport.finish(self._core.download_all(source, path, progress))

    def upload(self, source: Source, **options: Unpack[UploadOptions]) -> str:
        """Send a file to fal's storage; return the URL that models read it at.

        `source`: a path, bytes, or a file opened for reading bytes. Large ones go in parts, side
        by side; those of a stream stay in memory until they are sent.
        Raises OSError where it can't be read, else FalkitError.
        """
        return self._transport.finish(self._core.uploads.file(source, options))


class AsyncFileCalls:
    """The calls of AsyncClient that are about files."""

    _core: Core
    _transport: AsyncTransport

    async def download(
        self,
        source: Result[Any] | str,
        path: str | PathLike[str],
        *,
        progress: Progress | None = None,
    ) -> SavedFile:
        """Save the file of a result, or of a URL, as `path`, or in it if it is a folder.

        The file appears whole or not at all. A download that broke off continues where it ended
        if the host still has the same version. `progress` gets the bytes received and in total.
        Raises DownloadFailed; ValueError where the output names no file, or several.
        """
        return await self._transport.finish(self._core.download(source, path, progress))

    async def download_all(
        self,
        source: Result[Any] | str,
        path: str | PathLike[str],
        *,
        progress: Progress | None = None,
    ) -> list[SavedFile]:
        """Save all files of a result, wherever in it they are, and embedded ones too.

        They go into the folder `path`, which may be a new one if it ends in a slash; names that
        are there already get a number. Else the first gets `path` itself, and the others
        get numbers. Raises DownloadFailed; ValueError where the output names no file.
        """
        return await self._transport.finish(self._core.download_all(source, path, progress))

    async def upload(self, source: Source, **options: Unpack[UploadOptions]) -> str:
        """Send a file to fal's storage; return the URL that models read it at.

        `source`: a path, bytes, or a file opened for reading bytes. Large ones go in parts, side
        by side; those of a stream stay in memory until they are sent.
        Raises OSError where it can't be read, else FalkitError.
        """
        return await self._transport.finish(self._core.uploads.file(source, options))
