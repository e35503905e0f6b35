"""The record of one policy: the shared Lua as typed calls. What a call may change is defined in the scripts."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from services.runtime.store import Store, result
from trading_logic.contracts import record, scripts
from trading_logic.contracts.config import Limits
from trading_logic.contracts.messages import Intent, OrderState
from trading_logic.contracts.topics import RecordTopics
from trading_logic.orders import states_before
from trading_logic.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Fence:
    """What an order must be claimed under: the policy's epoch, the strategy's term, the writer's token."""

    epoch: int
    term: int
    token: str
    group: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """The gate said yes; the trading lease lives `lease_ms` more, counted from before the question."""

    lease_ms: int


class Record:
    """Typed calls on the record of one policy. Raises services.runtime.store.STORE_ERRORS when it is away."""

    def __init__(self, store: Store, topics: RecordTopics) -> None:
        self.store = store
        self.topics = topics
        client = store.client
        self._latch = client.register_script(scripts.LATCH)
        self._takeover = client.register_script(scripts.TAKEOVER)
        self._renew = client.register_script(scripts.RENEW)
        self._claim_sha = client.register_script(scripts.CLAIM).sha
        self._outcome = client.register_script(scripts.OUTCOME)

    # -- the latch

    async def latch(self, cause: record.Cause, now_ms: int) -> tuple[bool, int]:
        """Add a cause; (whether it was new, epoch)."""
        t = self.topics
        changed, epoch, _ = await result(
            self._latch(
                keys=[t.latch(), t.epoch(), t.risk_events(), t.halt()],
                args=["add", cause.id, record.encode(cause), now_ms, t.nudge()],
            )
        )
        return bool(changed), int(epoch)

    async def unlatch(self, cause_id: str, now_ms: int) -> tuple[bool, int, int]:
        """Remove a cause; (whether it was there, epoch, causes left). Only the ledger calls this."""
        t = self.topics
        changed, epoch, left = await result(
            self._latch(
                keys=[t.latch(), t.epoch(), t.risk_events(), t.halt()],
                args=["remove", cause_id, "", now_ms, t.nudge()],
            )
        )
        return bool(changed), int(epoch), int(left)

    async def causes(self) -> dict[str, record.Cause]:
        """The latch. Raises msgspec.DecodeError when somebody wrote something else there."""
        rows = await result(self.store.client.hgetall(self.topics.latch()))
        return {key.decode(): msgspec.json.decode(value, type=record.Cause) for key, value in rows.items()}

    async def latched(self) -> tuple[dict[str, record.Cause], int]:
        """The latch and the epoch it stands in, as they were at one moment. Raises like `causes`."""
        pipe = self.store.pipeline(transaction=True)
        pipe.hgetall(self.topics.latch())
        pipe.get(self.topics.epoch())
        rows, epoch = await pipe.execute()
        causes = {key.decode(): msgspec.json.decode(value, type=record.Cause) for key, value in rows.items()}
        return causes, int(epoch or 0)

    async def epoch(self) -> int:
        """The policy's epoch; 0 before the ledger ever started."""
        return int(await result(self.store.client.get(self.topics.epoch())) or 0)

    # -- leases

    async def take_over(self, strategy: str, uid: str, token: str, ttl_ms: int) -> tuple[int, int]:
        """Take the writer lease: (term, 0), or (0, ms the holder's lease still lives)."""
        t = self.topics
        won, value = await result(
            self._takeover(
                keys=[t.writer_lease(strategy), t.term(strategy), t.strategies()],
                args=[token, ttl_ms, strategy, msgspec.json.encode({"uid": uid})],
            )
        )
        return (int(value), 0) if won else (0, int(value))

    async def renew(self, lease: str, token: str, ttl_ms: int) -> bool:
        """Renew a lease this token holds; 0 releases it. False when it is lost."""
        return bool(await result(self._renew(keys=[lease], args=[token, ttl_ms])))

    # -- orders

    async def claim(
        self, intent: Intent, body: bytes, client_order_id: str, fence: Fence, limits: Limits, day: str, now_ms: int
    ) -> Claimed | Refusal:
        """Ask the gate. On yes the order stands as `claimed` with its reservation and exit plan."""
        t = self.topics
        plan = ""
        if intent.exit_plan is not None:
            plan = record.encode(
                record.ExitPlanRecord(
                    intent=intent.id,
                    event=intent.event,
                    game=intent.game,
                    exchange_index=intent.exchange_index,
                    side=intent.side,
                    stop_price=intent.exit_plan.stop_price,
                    take_price=intent.exit_plan.take_price,
                    flatten_at_ms=intent.exit_plan.flatten_at_ms,
                )
            )
        reply = await self.store.hot.script(
            self._claim_sha,
            scripts.CLAIM,
            keys=[
                *(t.latch(), t.epoch(), t.term(intent.strategy), t.writer_lease(intent.strategy)),
                *(t.trading_lease(), t.risk(), t.order(intent.id), t.rate(), t.trades(day), t.exposure()),
                *(t.reserved(), t.open_orders(), t.orders(), t.counts(), t.exit_plans(intent.strategy)),
                t.flatten(),
            ],
            args=[
                *(intent.id, intent.kind, fence.epoch, fence.term, fence.token, intent.received_ms, now_ms),
                *(intent.cost, intent.market, intent.game, limits.max_orders_per_minute),
                *(limits.max_trades_per_day, limits.min_position_cash, limits.max_position_cash),
                *(limits.max_position_fraction_ppm, limits.max_game_fraction_ppm),
                *(limits.max_exposure_fraction_ppm, client_order_id, fence.group, body, intent.strategy),
                *(plan, intent.count, intent.trace, day),
            ],
        )
        if reply[0] == b"ok":
            return Claimed(lease_ms=int(reply[1]))
        return Refusal(rule=reply[1].decode(), value=reply[2].decode(), limit=reply[3].decode())

    async def outcome(
        self,
        intent_id: str,
        state: OrderState,
        *,
        order_id: str,
        filled: int,
        remaining: int,
        reason: str,
        now_ms: int,
        no: Refusal | None = None,
    ) -> str:
        """Write one step of an order's life: "ok", or "no:<state>" when no order goes from there to `state`.

        `no` is the check of ours that stopped a claimed order, None where the exchange speaks.
        """
        t = self.topics
        said = (no.rule, no.value, no.limit) if no is not None else ("", "", "")
        reply = await result(
            self._outcome(
                keys=[t.order(intent_id), t.by_order_id(), t.orders(), t.counts()],
                args=[
                    *(intent_id, state, order_id, filled, remaining, reason, now_ms, ",".join(states_before(state))),
                    *said,
                ],
            )
        )
        return str(reply.decode())
