"""kill -9 of the executor on an order's way: no order twice, none lost, the record says what the exchange says."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from services.runtime.record import Record
from trading_logic.contracts.messages import TERMINAL_ORDER_STATES
from trading_logic.orders import client_order_id

POINTS = 10


async def order_of(rec: Record, intent: str) -> dict[str, str]:
    return {k.decode(): v.decode() for k, v in (await rec.store.client.hgetall(rec.topics.order(intent))).items()}


async def count_lines(world: Any, helpers: Any) -> int:
    """How many lines an undisturbed order has."""
    rec = world.record("calm")
    await helpers.ledger_word(rec)
    child = world.start("calm", kill_at=0)
    await helpers.until(20, "calm trades", lambda: world.trading("calm"))
    intent = await world.wish(rec, "calm", 0)

    async def done() -> bool:
        return (await order_of(rec, intent.id)).get("state") in TERMINAL_ORDER_STATES

    await helpers.until(10, "calm order", done)
    await asyncio.sleep(0.3)
    child.terminate()
    await asyncio.to_thread(child.wait, 60)
    return int(Path(world.folder / "calm.lines").read_text())


async def one_life(world: Any, helpers: Any, name: str, point: int) -> tuple[str, dict[str, str]]:
    """Executor killed at `point`, replaced by another; the client order id and what the record ends with."""
    rec = world.record(name)
    await helpers.ledger_word(rec)
    victim = world.start(name, kill_at=point)
    await helpers.until(30, f"{name} trades", lambda: world.trading(name))
    intent = await world.wish(rec, name, point)
    await asyncio.to_thread(victim.wait, 30)
    assert victim.returncode == -9
    world.start(name)
    pending = rec.topics.intents(name)

    async def settled() -> bool:
        order = await order_of(rec, intent.id)
        waiting = await rec.store.client.xpending(pending, "executor")
        if order:
            return order["state"] in TERMINAL_ORDER_STATES
        # Killed before the claim: the successor reads it again and drops it, for its age or before it trades.
        counts = await rec.store.client.hgetall(rec.topics.counts())
        return any(name.startswith(b"dropped:") for name in counts) and waiting["pending"] == 0

    await helpers.until(60, f"{name} settled", settled)
    order = await order_of(rec, intent.id)
    return client_order_id(f"uid-{name}", intent.id), order


@pytest.mark.timeout(240)
async def test_ten_points_between_gate_and_answer(world: Any, helpers: Any) -> None:
    lines = await count_lines(world, helpers)
    assert lines > 3 * POINTS
    points = [max(1, lines * n // POINTS) for n in range(POINTS)]
    lives = await asyncio.gather(*(one_life(world, helpers, f"s{n}", point) for n, point in enumerate(points)))
    accepted: dict[str, list[dict[str, Any]]] = {}
    for line in world.accepts():
        if line["kind"] == "order_accepted":
            accepted.setdefault(line["client_order_id"], []).append(line)
    seen = []
    for point, (cid, order) in zip(points, lives, strict=True):
        at_venue = accepted.get(cid, [])
        assert len(at_venue) <= 1, f"point {point}: sent twice"
        state = order.get("state", "dropped")
        seen.append((point, state, len(at_venue)))
        if at_venue:
            assert state in {"executed", "canceled"}, f"point {point}: accepted at the exchange, {state} in the record"
            assert order["order_id"] == at_venue[0]["order_id"]
        else:
            assert state in {"abandoned", "dropped"}, f"point {point}: not at the exchange, {state} in the record"
    print("point, record, orders at the exchange:", seen)
    # The points must have hit both sides of the send, or they prove nothing.
    assert {n for _, _, n in seen} == {0, 1}
