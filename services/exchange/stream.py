"""The WebSocket side: one connection that comes back by itself and yields frames in batches.

A reader decodes and checks frames as fast as they arrive and puts them in a buffer; `batches()` hands over all that
is there. When the buffer is full the reader stops, the socket fills and the venue notices: nothing is dropped here.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, NoReturn, Self
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from services.exchange.clock import Clock
from services.exchange.frame_codec import decode_frame
from services.exchange.frames import Connected, Disconnected, Frame
from services.exchange.signer import RequestSigner
from services.exchange.subscriptions import Counters, Subscriptions

_FIRST_DELAY_S: Final = 0.25
_LONGEST_DELAY_S: Final = 15.0
_STEADY_S: Final = 5.0  # a connection that lived this long starts the back-off anew
_TICK_S: Final = 0.1
_MAX_MESSAGE: Final = 64 * 1024 * 1024  # the venue's own limit
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class _Connection(ClientConnection):
    """Notes when bytes came in: the venue's pings are signs of life too, and never reach `recv`."""

    heard_at: float = 0.0
    asked_at: float = 0.0

    def data_received(self, data: bytes) -> None:
        self.heard_at = self.loop.time()
        super().data_received(data)


class ExchangeStream:
    """One WebSocket with its subscriptions: enter it, then `async for batch in stream.batches()`.

    Args:
        ws_url: `ws(s)://host…/trade-api/ws/v2`.
        signer: the venue wants a signature even for public channels.
        new_session: makes an id that no earlier connection had.
        silence_s: nothing for so long, not even an answer to our question, means that the connection is down.
        compression: permessage-deflate; costs processor time, saves network.
        max_buffer: frames held for a slow reader before the socket is left alone.
    """

    def __init__(
        self,
        ws_url: str,
        signer: RequestSigner,
        clock: Clock,
        new_session: Callable[[], str],
        *,
        silence_s: float = 10.0,
        compression: bool = False,
        max_buffer: int = 100_000,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        parts = urlsplit(ws_url)
        if parts.scheme not in {"ws", "wss"} or not parts.hostname:
            raise ValueError(f"exchange stream URL must be ws(s)://host…/trade-api/ws/v2, got {ws_url!r}")
        self._url = ws_url
        self._path = parts.path
        self._host = parts.netloc
        self._proxied = parts.hostname not in _LOOPBACK
        self._signer = signer
        self._clock = clock
        self._new_session = new_session
        self._silence_s = silence_s
        self._compression = compression
        self._max_buffer = max_buffer
        self._jitter = jitter
        self.counters = Counters()
        self._subscriptions = Subscriptions(self.counters)
        self._buffer: list[Frame] = []
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._blocked = False
        self._connection: _Connection | None = None
        self._key_refused = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="exchange-stream")
        self._task.add_done_callback(lambda _: self._filled.set())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def is_connected(self) -> bool:
        """Whether a connection is up now."""
        return self._connection is not None

    @property
    def silent_s(self) -> float | None:
        """Seconds since anything of the venue came in (frames, pings, pongs); None without a connection."""
        return None if self._connection is None else self._silent_for(self._connection)

    async def subscribe(self, channels: Sequence[str], markets: Sequence[str] | None = None) -> None:
        """Want these channels, for these markets; remembered over reconnects. Before or after the start.

        `orderbook_delta` needs markets; `order_group_updates` and `market_lifecycle_v2` take none. Calling again with
        other markets adds them.
        """
        now = self._clock.monotonic()
        for channel in channels:
            self._subscriptions.want(channel, None if markets is None else tuple(markets), now)
        if self._connection is not None:
            # A send that fails means the connection is ending: the next one subscribes to all that is wanted.
            with contextlib.suppress(WebSocketException, OSError):
                await self._flush(self._connection)

    async def reconnect(self) -> None:
        """Drop the connection and make a new one, as after a change of key."""
        if self._connection is not None:
            self._connection.transport.abort()

    async def batches(self) -> AsyncIterator[list[Frame]]:
        """All frames there are, again and again, never an empty list. Raises what stopped the stream."""
        while True:
            if not self._buffer:
                self._filled.clear()
                if self._task is None or self._task.done():
                    if self._task is not None and not self._task.cancelled():
                        self._task.result()
                    return
                await self._filled.wait()
                continue
            batch, self._buffer = self._buffer, []
            self._drained.set()
            yield batch

    # --- the task ---

    async def _run(self) -> None:
        delay_s = _FIRST_DELAY_S
        while True:
            session = self._new_session()
            began = self._clock.monotonic()
            self._key_refused = False
            reason = await self._session(session)
            self._deliver([Disconnected(session, self._clock.now_ms(), reason, self._key_refused)])
            if self._clock.monotonic() - began >= _STEADY_S:
                delay_s = _FIRST_DELAY_S
            await self._clock.sleep(delay_s * (0.5 + 0.5 * self._jitter()))
            delay_s = min(delay_s * 2, _LONGEST_DELAY_S)

    async def _session(self, session: str) -> str:
        """One connection from start to end; why it ended."""
        try:
            connection = await self._connect()
        except InvalidStatus as error:
            return self._refused(error.response.status_code)
        except (OSError, TimeoutError, WebSocketException, EOFError) as error:
            return f"cannot connect to {self._host}: {type(error).__name__}: {error}"
        watchdog = asyncio.create_task(self._watch(connection), name="exchange-stream-watchdog")
        try:
            self._connection = connection
            self.counters.connections += 1
            self._subscriptions.connected(self._clock.monotonic())
            self._deliver([Connected(session, self._clock.now_ms())])
            await self._flush(connection)
            await self._read(connection, session)
        except (OSError, WebSocketException) as error:
            silent = self._silent_for(connection)
            if silent >= self._silence_s:
                return f"silent for {silent:.1f} s, allowed are {self._silence_s:.1f} s"
            return f"{type(error).__name__}: {error}"
        finally:
            self._connection = None
            self._subscriptions.disconnected()
            watchdog.cancel()
            connection.transport.abort()
            await asyncio.gather(watchdog, return_exceptions=True)

    async def _connect(self) -> _Connection:
        headers = self._signer.headers("GET", self._path, self._clock.now_ms())
        connection = await connect(
            self._url,
            additional_headers=headers,
            compression="deflate" if self._compression else None,
            proxy=True if self._proxied else None,
            ping_interval=None,  # a pong proves only the socket: the watchdog asks something that the feed must answer
            close_timeout=1,
            max_size=_MAX_MESSAGE,
            max_queue=4096,
            create_connection=_Connection,
        )
        if not isinstance(connection, _Connection):
            raise TypeError(f"expected our connection class, got {type(connection).__name__}")
        return connection

    async def _read(self, connection: _Connection, session: str) -> NoReturn:
        accept = self._subscriptions.accept
        outbox = self._subscriptions.outbox
        now_ms, monotonic = self._clock.now_ms, self._clock.monotonic
        while True:
            raw = await connection.recv(decode=False)
            self._deliver(accept(decode_frame(raw, session, now_ms()), monotonic()))
            if outbox:
                await self._flush(connection)
            if len(self._buffer) >= self._max_buffer:
                self._blocked = True
                self._drained.clear()
                await self._drained.wait()
                connection.heard_at = connection.loop.time()  # the silence was ours
                self._blocked = False

    async def _watch(self, connection: _Connection) -> None:
        """Ends a silent connection; sends what became due."""
        while True:
            await asyncio.sleep(min(_TICK_S, self._silence_s / 4))
            if self._blocked:
                continue
            silent_s = self._silent_for(connection)
            if silent_s >= self._silence_s:
                connection.transport.abort()
                return
            if silent_s >= self._silence_s / 3 and connection.asked_at <= connection.heard_at:
                connection.asked_at = connection.loop.time()
                self._subscriptions.ask()
            self._subscriptions.tick(self._clock.monotonic())
            with contextlib.suppress(WebSocketException, OSError):  # the reader sees the same end and reports it
                await self._flush(connection)

    def _silent_for(self, connection: _Connection) -> float:
        return connection.loop.time() - connection.heard_at

    async def _flush(self, connection: _Connection) -> None:
        outbox = self._subscriptions.outbox
        while outbox:
            await connection.send(outbox.pop(0), text=True)

    def _deliver(self, frames: Sequence[Frame]) -> None:
        if frames:
            self._buffer.extend(frames)
            if not self._filled.is_set():
                self._filled.set()

    def _refused(self, status: int) -> str:
        if status == 401:
            self._key_refused = True
            return (
                f"{self._host} refused the connection (401). Check the key id, that the private key belongs to it,"
                f" this machine's clock, and that the key is one of this environment"
            )
        return f"{self._host} refused the connection ({status})"
