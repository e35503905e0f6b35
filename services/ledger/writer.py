"""The ledger's hand on the record: loads the books, and changes them in one fenced call each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from services.ledger.orders import OrderRow, RowError, row_of
from services.runtime.app import Fatal
from services.runtime.record import Record
from services.runtime.store import result
from trading_logic.contracts import codec, scripts
from trading_logic.contracts.messages import RiskEvent
from trading_logic.contracts.record import HaltState, OrderGroupRecord, PositionRecord, TradingLease, encode

RISK_EVENTS_MAXLEN = 10_000
Grant = Literal["ok", "fenced", "latch", "epoch"]


class LeaseLost(Fatal):
    """Another ledger holds the lease, or the record was wiped: this one must not write any more."""


class _Strategy(msgspec.Struct, frozen=True):
    uid: str


@dataclass(frozen=True, slots=True)
class Guard:
    """What a booking is booked once by: a field of the hash of fills or of the hash of settlements."""

    kind: Literal["booked", "settled"]
    id: str
    body: str


@dataclass(slots=True)
class Loaded:
    """The money state as the record has it; `risk` is empty on the first start."""

    risk: dict[str, str]
    positions: dict[str, PositionRecord]
    booked: set[str]
    settled: set[str]
    exposure: dict[str, str]
    orders_at: str
    rows: dict[str, OrderRow] = field(default_factory=dict)


def _text(rows: Mapping[bytes, bytes]) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in rows.items()}


class Writer:
    """Typed calls on the ledger's part of the record. Raises STORE_ERRORS when it is away, LeaseLost when fenced."""

    def __init__(self, record: Record, token: str) -> None:
        self.record = record
        self.token = token
        self._t = record.topics
        client = record.store.client
        self._client = client
        self._book = client.register_script(scripts.BOOK)
        self._grant = client.register_script(scripts.GRANT)

    # -- reading

    async def load(self) -> Loaded:
        """Everything the books are made of. Raises LeaseLost's base Fatal when the record holds something else."""
        t = self._t
        newest = await result(self._client.xrevrange(t.orders(), count=1))
        pipe = self.record.store.pipeline(transaction=True)
        pipe.hgetall(t.risk())
        pipe.hgetall(t.positions())
        pipe.hkeys(t.booked())
        pipe.hkeys(t.settled())
        pipe.smembers(t.open_orders())
        pipe.hgetall(t.exposure())
        risk, positions, booked, settled, opened, exposure = await pipe.execute()
        try:
            loaded = Loaded(
                risk=_text(risk),
                positions={
                    market.decode(): msgspec.json.decode(body, type=PositionRecord)
                    for market, body in positions.items()
                },
                booked={key.decode() for key in booked},
                settled={key.decode() for key in settled},
                exposure=_text(exposure),
                orders_at=newest[0][0].decode() if newest else "0",
            )
        except msgspec.DecodeError as error:
            raise Fatal(f"record: position of policy {t.policy}: {error}") from error
        for intent in opened:
            row = await self.row(intent.decode())
            if row is not None:
                loaded.rows[row.intent] = row
        return loaded

    async def row(self, intent: str) -> OrderRow | None:
        """One order of the record; None when there is none. An order that left the open set is closed."""
        pipe = self.record.store.pipeline(transaction=True)
        pipe.hgetall(self._t.order(intent))
        pipe.sismember(self._t.open_orders(), intent)
        fields, is_open = await pipe.execute()
        if not fields:
            return None
        try:
            return row_of(intent, _text(fields), closed=not is_open)
        except RowError as error:
            raise Fatal(f"record of policy {self._t.policy}: {error}") from error

    async def intent_of_order(self, order_id: str) -> str | None:
        """The intent that the executor recorded for an exchange order id."""
        found = await result(self._client.hget(self._t.by_order_id(), order_id))
        return found.decode() if found is not None else None

    async def groups(self) -> dict[str, tuple[str, OrderGroupRecord]]:
        """Every order group of every strategy: group id -> (strategy, record)."""
        found: dict[str, tuple[str, OrderGroupRecord]] = {}
        for strategy in await self.strategies():
            rows = await result(self._client.hgetall(self._t.groups(strategy)))
            for group, body in rows.items():
                found[group.decode()] = (strategy, msgspec.json.decode(body, type=OrderGroupRecord))
        return found

    async def strategies(self) -> list[str]:
        """Every strategy whose executor ever took over."""
        return [key.decode() for key in await result(self._client.hkeys(self._t.strategies()))]

    async def strategy_uids(self) -> dict[str, str]:
        """Strategy -> uid, of every strategy whose executor ever took over."""
        rows = await result(self._client.hgetall(self._t.strategies()))
        return {name.decode(): msgspec.json.decode(body, type=_Strategy).uid for name, body in rows.items()}

    # -- writing

    async def book(
        self, change: Mapping[str, Any], *, seen: str, guard: Guard | None = None, order: OrderRow | None = None
    ) -> Literal["ok", "twice", "older"]:
        """Apply one change, once if it has a guard. Raises LeaseLost when another ledger has taken over.

        `seen` is the ledger sequence that the record must show, "" when it has none: a record that came back as it
        was earlier shows another one, and nothing is changed then ("older").
        """
        t = self._t
        guarded = t.settled() if guard is not None and guard.kind == "settled" else t.booked()
        reply = await result(
            self._book(
                keys=[
                    *(t.ledger_lease(), guarded, t.positions(), t.exposure(), t.risk(), t.reserved(), t.open_orders()),
                    *(t.order(order.intent if order else ""), t.trades(order.day if order else "")),
                    *(t.counts(), t.booked(), t.settled()),
                ],
                args=[
                    self.token,
                    guard.id if guard else "",
                    guard.body if guard else "",
                    msgspec.json.encode(change),
                    seen,
                ],
            )
        )
        if reply == b"fenced":
            raise LeaseLost("the ledger lease is held by another or gone: this ledger stops")
        answer: Literal["ok", "twice", "older"] = reply.decode()
        return answer

    async def nudge(self, what: str) -> None:
        """Tell readers to look at the keys again."""
        await result(self._client.publish(self._t.nudge(), what))

    async def event(self, event: RiskEvent) -> None:
        """Append to the risk events."""
        await result(
            self._client.xadd(
                self._t.risk_events(),
                {codec.JSON_FIELD: msgspec.json.encode(event)},
                maxlen=RISK_EVENTS_MAXLEN,
                approximate=True,
            )
        )

    async def grant(self, lease: TradingLease, ttl_ms: int) -> Grant:
        """Grant or renew the trading lease; a non-empty latch deletes it instead."""
        t = self._t
        reply = await result(
            self._grant(
                keys=[t.ledger_lease(), t.latch(), t.epoch(), t.trading_lease()],
                args=[self.token, lease.epoch, encode(lease), ttl_ms],
            )
        )
        answer: Grant = reply.decode()
        return answer

    async def mark_group(self, strategy: str, group: str, body: OrderGroupRecord) -> None:
        """Say that the group is triggered before the exchange is asked, so that its event is known to be ours."""
        marked = msgspec.structs.replace(body, state="triggered")
        await result(self._client.hset(self._t.groups(strategy), group, encode(marked)))

    async def disarmed(self, armed: Sequence[str], unarmed: Sequence[str]) -> list[str]:
        """Remember the armed groups; of the others, those that were armed once."""
        key = self._t.armed()
        if armed:
            await result(self._client.sadd(key, *armed))
        if not unarmed:
            return []
        known = await result(self._client.smismember(key, list(unarmed)))
        return [group for group, was in zip(unarmed, known, strict=True) if was]

    async def halt_state(self, state: HaltState) -> None:
        """Publish how far the halt has come."""
        fields = {key: str(value) for key, value in msgspec.structs.asdict(state).items()}
        pipe = self.record.store.pipeline(transaction=True)
        pipe.hset(self._t.halt(), mapping=fields)
        pipe.publish(self._t.nudge(), "halt")
        await pipe.execute()
