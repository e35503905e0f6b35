"""The bench venue's order desk: takes orders, notes when each came, and which tick it answers."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from bench import bodies
from bench.market import Key
from trading_logic.money import parse_price


class Desk:
    """Orders and groups of the one account. `tell` carries an order's end to the private stream."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        self._tell = tell
        self._orders: list[dict[str, Any]] = []
        self._groups: dict[str, dict[str, Any]] = {}
        self._client_ids: set[str] = set()
        self._ids = itertools.count(1)
        self.begin()

    def begin(self) -> None:
        """Count anew."""
        self.standing: dict[Key, tuple[int, float, int]] = {}  # key -> (edge, when its frame was written, its seq)
        self.answers: list[tuple[int, float]] = []  # (number of the edge, seconds to its order)
        self.ways: list[dict[str, Any]] = []  # where each answer's time began and ended, CLOCK_MONOTONIC
        self.posts = 0
        self.doubled = 0  # one client id twice, or one edge answered twice
        self.strays = 0  # orders that answer no edge

    async def create(self, request: web.Request) -> web.Response:
        arrived, now = time.perf_counter(), time.time()
        asked = await request.json()
        self.posts += 1
        key = (asked["ticker"], asked["side"], parse_price(asked["price"], "price"))
        found = self.standing.get(key)
        if asked["client_order_id"] in self._client_ids:
            self.doubled += 1
            return web.json_response({"error": {"code": "order_already_exists", "message": "twice"}}, status=409)
        self._client_ids.add(asked["client_order_id"])
        if found is None:
            self.strays += 1
        else:
            self.doubled += any(number == found[0] for number, _ in self.answers[-64:])
            self.answers.append((found[0], arrived - found[1]))
            self.ways.append(
                {
                    "client_order_id": asked["client_order_id"], "seq": found[2], "written_ns": int(found[1] * 1e9),
                    "arrived_ns": int(arrived * 1e9),
                }
            )  # fmt: skip
        order = bodies.order(asked, f"order-{next(self._ids)}", now)
        self._orders.append(order)
        self._tell(bodies.user_order_msg(order, now))
        ack = {"order_id": order["order_id"], "client_order_id": order["client_order_id"], "fill_count": "0.00"}
        return web.json_response({**ack, "remaining_count": "0.00", "ts_ms": round(now * 1000)}, status=201)

    async def orders_since(self, request: web.Request) -> web.Response:
        since, wanted = int(request.query.get("min_ts", "0")), request.query.get("status")
        stamp = bodies.stamp(since)
        found = [o for o in self._orders if o["created_time"] >= stamp and wanted in {None, o["status"]}]
        return web.json_response({"orders": found[::-1], "cursor": ""})

    async def create_group(self, request: web.Request) -> web.Response:
        asked = await request.json()
        group = f"group-{next(self._ids)}"
        self._groups[group] = {
            "id": group,
            "is_auto_cancel_enabled": True,
            "contracts_limit_fp": asked["contracts_limit_fp"],
        }
        return web.json_response({"order_group_id": group}, status=201)

    async def list_groups(self, _: web.Request) -> web.Response:
        return web.json_response({"order_groups": list(self._groups.values())})

    async def trigger_group(self, request: web.Request) -> web.Response:
        return self._group(request)

    async def delete_group(self, request: web.Request) -> web.Response:
        answer = self._group(request)
        self._groups.pop(request.match_info["group"], None)
        return answer

    def _group(self, request: web.Request) -> web.Response:
        if request.match_info["group"] in self._groups:
            return web.json_response({})
        return web.json_response({"error": {"code": "not_found", "message": "not found"}}, status=404)
