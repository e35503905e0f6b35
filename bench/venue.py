"""The bench's own venue, one process: `python -m bench.venue`. Prints one JSON line with its port when it is ready.

It speaks what Touchline's processes call, and no more. Signatures are not checked: that work is the venue's. The clock
is `perf_counter` of this process for both ends of a latency: the write of a tick and the arrival of its order.
Immediate orders find nobody, so the account stays flat.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from bench import bodies, market
from bench.desk import Desk
from bench.market import Books, Change, Flow, delta_text, snapshot_msg, text_frame

API = "/trade-api/v2"
WS = "/trade-api/ws/v2"
CHUNK_FRAMES = 256
MOST_WAITING = 1024 * 1024
"""Bytes the socket may hold back before a flood waits for it."""
STRAGGLER_S = 1.5
"""The gate refuses an intent older than a second: no order of a tick comes later than this."""


class Subscriber:
    """One connection and its channels: name -> [sid, last seq]."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.channels: dict[str, list[int]] = {}

    def send(self, body: dict[str, Any]) -> None:
        self.transport.write(text_frame(msgspec.json.encode(body) + b"\n"))


class Venue:
    """Books, orders and what was measured."""

    def __init__(self) -> None:
        self.books = Books()
        self.subscribers: dict[Subscriber, None] = {}  # in the order in which they came
        self.desk = Desk(self._tell)

    # -- the stream

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        assert isinstance(request.transport, asyncio.Transport)
        subscriber = Subscriber(request.transport)
        self.subscribers[subscriber] = None
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._command(subscriber, json.loads(message.data))
        finally:
            self.subscribers.pop(subscriber, None)
        return socket

    def _command(self, to: Subscriber, command: dict[str, Any]) -> None:
        if command["cmd"] == "list_subscriptions":
            held = [{"channel": channel, "sid": sid} for channel, (sid, _) in to.channels.items()]
            to.send({"type": "ok", "id": command["id"], "msg": held})
            return
        params = command["params"]
        if command["cmd"] == "subscribe":
            for channel in params["channels"]:
                to.channels[channel] = [len(to.channels) + 1, 0]
                sid = to.channels[channel][0]
                to.send({"type": "subscribed", "id": command["id"], "msg": {"channel": channel, "sid": sid}})
                if channel == "orderbook_delta":
                    self._snapshots(to, params["market_tickers"])
        elif command["cmd"] == "update_subscription" and params["action"] == "get_snapshot":
            self._snapshots(to, params["market_tickers"])
        else:
            to.send({"type": "error", "id": command["id"], "msg": {"code": 5, "msg": "not spoken by the bench venue"}})

    def _snapshots(self, to: Subscriber, tickers: list[str]) -> None:
        held = to.channels["orderbook_delta"]
        for ticker in tickers:
            held[1] += 1
            msg = snapshot_msg(self.books, ticker)
            to.send({"type": "orderbook_snapshot", "sid": held[0], "seq": held[1], "msg": msg})

    def _tell(self, msg: dict[str, Any]) -> None:
        """An order's end, to every private connection."""
        for to in self.subscribers:
            held = to.channels.get("user_orders")
            if held:
                to.send({"type": "user_order", "sid": held[0], "msg": msg})

    def _reader(self) -> Subscriber:
        """The connection that follows the books: ingest's, the newest if an older one is not known to be dead yet."""
        return next(found for found in reversed(self.subscribers) if "orderbook_delta" in found.channels)

    def _frames(self, changes: list[Change]) -> tuple[Subscriber, int, list[bytes]]:
        """Ready bytes of the next changes for ingest, and the number of the first."""
        to = self._reader()
        sid, last = to.channels["orderbook_delta"]
        to.channels["orderbook_delta"][1] += len(changes)
        return to, last + 1, [text_frame(delta_text(sid, last + 1 + i, change)) for i, change in enumerate(changes)]

    # -- what the bench asks for

    async def ticks(self, request: web.Request) -> web.Response:
        """Write frames on schedule, late or not, and answer with every latency."""
        asked = await request.json()
        rate, count = asked["rate"], asked["frames"]
        # In a thread: a long plan must not keep the connections waiting.
        plan = await asyncio.to_thread(Flow(self.books, asked["seed"]).ticks, count, rate)
        to, first, frames = self._frames([planned.change for planned in plan])
        desk = self.desk
        desk.begin()
        late, edges, index = 0.0, 0, 0
        start = time.perf_counter() + 0.05
        while index < count:
            now = time.perf_counter()
            while index < count and start + index / rate <= now:
                key = plan[index].key
                written = time.perf_counter()
                to.transport.write(frames[index])
                late = max(late, written - start - index / rate)
                if key is not None:
                    desk.standing[key] = (edges, written, first + index)
                    edges += 1
                index += 1
            await asyncio.sleep(max(0.0, start + index / rate - time.perf_counter()))
        ended = time.perf_counter()
        took = ended - start
        await asyncio.sleep(STRAGGLER_S)
        return web.json_response(
            {
                "first_seq": first, "last_seq": first + count - 1, "ended": ended, "took_s": took,
                "late_ms": late * 1000,
                "edges": edges, "answers": desk.answers, "posts": desk.posts, "doubled": desk.doubled,
                "strays": desk.strays, "ways": desk.ways,
            }
        )  # fmt: skip

    async def flood(self, request: web.Request) -> web.Response:
        """Write frames as fast as the socket takes them. Answers when the last byte was handed over."""
        asked = await request.json()
        changes = list(Flow(self.books, asked["seed"]).flood(asked["frames"]))
        to, first, frames = self._frames(changes)
        # Cut between frames: the server's own pongs may come in between two writes.
        chunks = [b"".join(frames[at : at + CHUNK_FRAMES]) for at in range(0, len(frames), CHUNK_FRAMES)]
        del frames
        start = time.perf_counter()
        for chunk in chunks:
            to.transport.write(chunk)
            while to.transport.get_write_buffer_size() > MOST_WAITING:
                await asyncio.sleep(0.001)
        took = time.perf_counter() - start
        return web.json_response(
            {"start": start, "took_s": took, "first_seq": first, "last_seq": first + len(changes) - 1}
        )

    async def peel(self, request: web.Request) -> web.Response:
        """Take the best level of one side away in every market; answers what every reader must see then."""
        changes = Flow(self.books, 0).peel((await request.json())["side"])
        to, first, frames = self._frames(changes)
        to.transport.write(b"".join(frames))
        tops = {change.market: [first + i, *self.books.top(change.market)] for i, change in enumerate(changes)}
        return web.json_response(tops)

    async def ladders(self, _: web.Request) -> web.Response:
        return web.json_response(self.books.ladders)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _fixed(body: Callable[[web.Request], dict[str, Any]]) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(body(request))

    return answer


def _nothing(key: str) -> Callable[[web.Request], dict[str, Any]]:
    return lambda _: {key: []}


def application() -> web.Application:
    """Every route that the processes and the bench call."""
    venue, now = Venue(), time.time
    orders = f"{API}/portfolio/events/orders"
    groups = f"{API}/portfolio/order_groups"
    empty = {
        "fills": "fills", "positions": "market_positions", "settlements": "settlements", "deposits": "deposits",
        "withdrawals": "withdrawals",
    }  # fmt: skip
    app = web.Application()
    app.add_routes(
        [
            web.get(WS, venue.stream),
            web.post("/bench/ticks", venue.ticks),
            web.post("/bench/flood", venue.flood),
            web.post("/bench/peel", venue.peel),
            web.get("/bench/ladders", venue.ladders),
            web.get(f"{API}/exchange/status", _fixed(lambda _: bodies.status())),
            web.get(f"{API}/series/{{series}}", _fixed(lambda _: bodies.series())),
            web.get(f"{API}/events/{market.EVENT}", _fixed(lambda _: bodies.event(now()))),
            web.get(f"{API}/milestones", _fixed(lambda _: bodies.milestones(now()))),
            web.get(f"{API}/live_data/milestone/{bodies.GAME}", _fixed(lambda _: bodies.live_data())),
            web.get(f"{API}/markets/trades", _fixed(lambda r: bodies.trades(r.query["ticker"], now()))),
            web.get(f"{API}/account/limits", _fixed(lambda _: bodies.limits())),
            web.get(f"{API}/portfolio/balance", _fixed(lambda _: bodies.balance(now()))),
            *(web.get(f"{API}/portfolio/{path}", _fixed(_nothing(key))) for path, key in empty.items()),
            web.get(f"{API}/portfolio/orders", venue.desk.orders_since),
            web.post(orders, venue.desk.create),
            web.post(f"{groups}/create", venue.desk.create_group),
            web.get(groups, venue.desk.list_groups),
            web.put(f"{groups}/{{group}}/trigger", venue.desk.trigger_group),
            web.delete(f"{groups}/{{group}}", venue.desk.delete_group),
        ]
    )
    return app


async def main() -> None:
    """Serve until killed."""
    runner = web.AppRunner(application(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    gc.collect()
    gc.freeze()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
