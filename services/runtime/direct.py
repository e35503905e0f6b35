"""A connection for the hot path: hiredis packs and parses, one write and one wake-up for a batch of commands.

redis-py makes the connection (address, TLS, login) and then steps aside: borrowing a connection, its locks and its
time-outs cost more than the call itself (ADR 16 has the figures). Commands of several callers may be under way at the
same time; a command that blocks wants a connection of its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError, RedisError, ResponseError, TimeoutError  # noqa: A004  - theirs

Word = str | bytes | int
Command = Sequence[Word]


_pack: Callable[[tuple[Word, ...]], bytes] = hiredis.pack_command  # type: ignore[assignment]  # their stub takes one word only


class Direct:
    """Commands over one connection, made at the first call and again at the first call after it broke.

    Nothing is ever sent twice: what was under way when the connection broke fails, whether or not Redis did it.
    Raises redis.exceptions.RedisError.
    """

    def __init__(self, make: Callable[[], AbstractConnection], where: str, timeout_s: float) -> None:
        self._make, self._where, self._timeout_s = make, where, timeout_s
        self._connecting = asyncio.Lock()
        self._line: _Line | None = None
        self._closed = False

    async def call(self, *words: Word) -> Any:
        """One command and its reply. Raises ResponseError for an error reply."""
        return (await self.batch([words]))[0]

    async def batch(self, commands: Sequence[Command], *, transaction: bool = False) -> list[Any]:
        """Several commands in one write, their replies in order; a `transaction` happens whole or not at all.

        Raises ResponseError for the first error among the replies: without a transaction the others have happened.
        """
        line = self._line
        if line is None or line.broken:
            line = await self._connect()
        replies = await line.send([("MULTI",), *commands, ("EXEC",)] if transaction else commands)
        _check(replies)
        if transaction:
            replies = replies[-1]
            _check(replies)
        return replies

    async def script(self, sha: str, text: str, keys: Sequence[Word], args: Sequence[Word]) -> Any:
        """Run a script by its digest; by its text where the server does not have it yet, which ran nothing before."""
        try:
            return await self.call("EVALSHA", sha, len(keys), *keys, *args)
        except ResponseError as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
        return await self.call("EVAL", text, len(keys), *keys, *args)

    def close(self) -> None:
        """Close for good; what is under way fails."""
        self._closed = True
        if self._line is not None:
            self._line.drop(ConnectionError(f"{self._where}: closed"))

    async def _connect(self) -> _Line:
        async with self._connecting:
            if self._line is not None and not self._line.broken:
                return self._line
            if self._closed:
                raise ConnectionError(f"{self._where}: closed")
            lender = self._make()
            await lender.connect()  # type: ignore[no-untyped-call]  # theirs
            # The library has no public way to hand over a socket that is logged in; the lender must not close it.
            writer, lender._reader, lender._writer = lender._writer, None, None  # noqa: SLF001  - see above
            assert writer is not None  # it has just connected
            self._line = _Line(writer, self._where, self._timeout_s)
            return self._line


def _check(replies: Sequence[Any]) -> None:
    for reply in replies:
        if isinstance(reply, RedisError):
            raise reply


class _Waiter:
    """One batch: its caller, how many replies it still wants, and until when (loop time)."""

    __slots__ = ("answer", "left", "replies", "until")

    def __init__(self, answer: asyncio.Future[list[Any]], left: int, until: float) -> None:
        self.answer, self.left, self.until = answer, left, until
        self.replies: list[Any] = []


class _Line(asyncio.Protocol):
    """One socket, from its login to its end. Replies come in the order of the commands."""

    def __init__(self, writer: asyncio.StreamWriter, where: str, timeout_s: float) -> None:
        self._writer = writer  # closes the socket when it is collected
        self._transport = writer.transport
        self._where, self._timeout_s = where, timeout_s
        self._loop = asyncio.get_running_loop()
        self._parser = hiredis.Reader(replyError=ResponseError)
        self._waiting: deque[_Waiter] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self.broken = False
        self._transport.set_protocol(self)

    def send(self, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        """Write now; the replies when they are all there. A caller that is cancelled leaves its replies unread."""
        waiter = _Waiter(self._loop.create_future(), len(commands), self._loop.time() + self._timeout_s)
        self._waiting.append(waiter)
        if self._watch is None:
            self._watch = self._loop.call_at(waiter.until, self._look)
        self._transport.write(b"".join([_pack(tuple(command)) for command in commands]))
        return waiter.answer

    def data_received(self, data: bytes) -> None:
        """Hand replies to who waits for them."""
        self._parser.feed(data)
        try:
            while (reply := self._parser.gets()) is not False:
                waiter = self._waiting[0]
                waiter.replies.append(reply)
                waiter.left -= 1
                if waiter.left == 0:
                    self._waiting.popleft()
                    if not waiter.answer.done():
                        waiter.answer.set_result(waiter.replies)
        except (hiredis.ProtocolError, IndexError) as error:
            self.drop(ConnectionError(f"{self._where}: not the protocol of Redis: {error!r}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side is gone."""
        self.drop(ConnectionError(f"{self._where}: connection lost: {exc or 'closed by the server'}"))

    def _look(self) -> None:
        """The oldest waiter is the first that may be late."""
        self._watch = None
        if not self._waiting:
            return
        if self._loop.time() >= self._waiting[0].until:
            self.drop(TimeoutError(f"{self._where}: no answer in {self._timeout_s:g} s"))
        else:
            self._watch = self._loop.call_at(self._waiting[0].until, self._look)

    def drop(self, why: RedisError) -> None:
        """Give the socket up; everybody under way hears why."""
        if self.broken:
            return
        self.broken = True
        self._transport.abort()
        if self._watch is not None:
            self._watch.cancel()
        for waiter in self._waiting:
            if not waiter.answer.done():
                waiter.answer.set_exception(why)
