"""The Redis that several replicas share: calls to it, on the event loop and in threads."""

from __future__ import annotations

import asyncio
import errno
import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from falkit_mock.core.errors import StateAway
from falkit_mock.store import BadCopy
from falkit_mock.store.redis.address import Address

if TYPE_CHECKING:
    import redis
    import redis.asyncio
    from redis.asyncio.lock import Lock

# A command and its arguments.
Command: TypeAlias = Sequence[str | bytes | int | float]

_log = logging.getLogger("falkit_mock")
# Seconds in which a connection is made, and in which a command is answered.
_CONNECTS, _ANSWERS = 2.0, 5.0
# What of a Redis' own refusals tells that it has no room, and that it can't be asked for now.
_FULL = ("OOM", "MISCONF")
_AWAY = ("LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS", "NOAUTH", "BUSY")


# Where in a script it was refused, as Redis adds.
_SCRIPT = re.compile(r"\.? script: [0-9a-f]{40}, on @user_script:[0-9]+\.?$")


class Refused(StateAway):
    """What one of our scripts answered in place of doing anything."""


class NotLetIn(StateAway):
    """A Redis that asks for a password, or for another."""


class Server:
    """Calls to one Redis. All raise OSError: StateAway, or ENOSPC where it is full.

    A StateAway with EIO is of one that answers, but has no keys of ours where it should.
    """

    def __init__(self, address: Address) -> None:
        """Take an address; raise BadCopy without redis-py, or for what that can't read."""
        try:
            import redis
            import redis.asyncio
            from redis import exceptions
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
            from redis.retry import Retry as WaitingRetry
        except ImportError:
            fix = "pip install 'falkit[redis]'"
            raise BadCopy(f"{address.shown} needs redis-py, which isn't installed: {fix}") from None
        self.address = address
        self._asyncio = redis.asyncio
        self._errors = exceptions
        options: dict[str, Any] = {
            "socket_connect_timeout": _CONNECTS,
            "socket_timeout": _ANSWERS,
            "protocol": 2,
        }
        try:
            # Whoever asks decides what is tried again: a commit must not be repeated unseen.
            self._waiting: redis.Redis = cast(Any, redis.Redis).from_url(
                address.url, retry=WaitingRetry(NoBackoff(), 0), **options
            )
            # Read now, so that what is wrong shows at the start.
            cast(Any, redis.asyncio.ConnectionPool).from_url(address.url)
        except (ValueError, TypeError) as error:
            raise BadCopy(f"{address.shown} can't be read ({error})") from None
        self._options = {**options, "retry": Retry(NoBackoff(), 0)}
        self._client: redis.asyncio.Redis | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scripts: dict[str, str] = {}

    def key(self, name: str) -> str:
        """Return the full name of one of our keys."""
        return f"{self.address.prefix}:{name}"

    @property
    def client(self) -> redis.asyncio.Redis:
        """The client of the running event loop."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            made: redis.asyncio.Redis = cast(Any, self._asyncio.Redis).from_url(
                self.address.url, **self._options
            )
            self._client = made
            self._loop = loop
            return made
        return self._client

    async def ask(self, *command: str | bytes | int | float) -> Any:
        """Have a command done, on the event loop."""
        try:
            return await cast(Any, self.client).execute_command(*command)
        except self._errors.RedisError as error:
            raise self.as_os_error(error, command) from None

    async def run(self, script: str, keys: Sequence[str], *args: str | bytes | int | float) -> Any:
        """Have a script done, of which no other sees a part."""
        digest = self._scripts.get(script)
        try:
            if digest is not None:
                with suppress(self._errors.NoScriptError):
                    return await self.client.evalsha(digest, len(keys), *keys, *args)
            self._scripts[script] = await self.client.script_load(script)
            return await self.client.evalsha(self._scripts[script], len(keys), *keys, *args)
        except self._errors.RedisError as error:
            raise self.as_os_error(error) from None

    def ask_now(self, *command: str | bytes | int | float) -> Any:
        """Have a command done; blocks."""
        try:
            return cast(Any, self._waiting).execute_command(*command)
        except self._errors.RedisError as error:
            raise self.as_os_error(error, command) from None

    def run_now(self, script: str, keys: Sequence[str], *args: str | bytes | int | float) -> Any:
        """Have a script done; blocks."""
        return self.ask_now("EVAL", script, len(keys), *keys, *args)

    def as_os_error(self, error: Exception, command: Command = ()) -> OSError:
        """Return what redis-py raised, of a command or a script, as what it is to us."""
        text = _SCRIPT.sub("", " ".join(str(error).split()))[:200]
        name = self.address.shown
        if text.startswith("FALKIT"):
            return Refused(errno.EAGAIN, text)
        exceptions = self._errors
        if isinstance(error, exceptions.AuthenticationError) or text.startswith("NOAUTH"):
            # In place of Redis' own words, which go on about its configuration.
            unasked = text.startswith("AUTH <password> called without any password")
            why = "it asks for no password, and was given one" if unasked else text
            return NotLetIn(errno.EAGAIN, f"the Redis at {name} can't be asked ({why})")
        if isinstance(error, exceptions.OutOfMemoryError) or text.startswith(_FULL):
            return OSError(errno.ENOSPC, f"the Redis at {name} takes no more ({text})")
        away = (exceptions.ConnectionError, exceptions.TimeoutError, exceptions.ReadOnlyError)
        if isinstance(error, away) or text.startswith(_AWAY):
            return StateAway(errno.EAGAIN, f"the Redis at {name} can't be asked ({text})")
        words = [word for word in command if isinstance(word, str)]
        ours = [word for word in words if word.startswith(self.key(""))][:1]
        asked = "a script" if words[:1] in ([], ["EVAL"]) else " ".join([*words[:1], *ours])
        return StateAway(errno.EIO, f"the Redis at {name} refused {asked} ({text})")

    def lock(self, name: str, lasts: float, poll: float) -> Lock:
        """Return a lock that all replicas share; it lasts so many seconds unless it is `kept`."""
        return self.client.lock(self.key(name), timeout=lasts, sleep=poll, thread_local=False)

    async def locked(self, lock: Lock, token: str, seconds: float) -> None:
        """Wait until a lock is ours; raise StateAway if it isn't within so many seconds."""
        try:
            ours = await cast(Any, lock).acquire(token=token, blocking_timeout=seconds)
        except self._errors.RedisError as error:
            raise self.as_os_error(error) from None
        if not ours:
            why = f"nobody lets go of the key {lock.name!s}; delete it if no mock does anything"
            _log.error("state: %s", why)
            raise StateAway(errno.EAGAIN, why)

    async def kept(self, lock: Lock) -> None:
        """Have a lock last as long again."""
        try:
            await lock.reacquire()
        except self._errors.LockError:
            # The next commit in it is refused.
            return
        except self._errors.RedisError as error:
            raise self.as_os_error(error) from None

    async def unlocked(self, lock: Lock) -> None:
        """Let go of a lock; one that can't be goes by itself."""
        with suppress(self._errors.RedisError):
            await lock.release()

    async def aclose(self) -> None:
        """Let go of the event loop's connections."""
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()

    def leave(self, key: str, token: str) -> None:
        """Delete a key that is there while we live; blocks."""
        with suppress(OSError):
            if self.ask_now("GET", key) == token.encode():
                self.ask_now("DEL", key)

    def close(self) -> None:
        """Let go of the connections that threads use."""
        self._waiting.close()


async def end(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task, and return once it is over.

    More than once if need be: an answer that comes at the same time makes redis-py miss it.
    """
    while task is not None and not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.1)
