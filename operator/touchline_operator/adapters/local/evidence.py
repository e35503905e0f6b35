"""What a run leaves for those who ask why: one bounded file, rewritten as the run goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from touchline_operator.adapters.local.folder import atomic_write
from touchline_operator.adapters.local.view import View
from touchline_operator.adapters.redis import AWAY, RedisRiskFeed, done
from touchline_operator.desired.world import PolicyFacts
from touchline_operator.ports import RecordUnreachableError
from trading_logic.contracts import codec, config, topics
from trading_logic.contracts.messages import (
    CatalogEntry,
    Decision,
    FillReport,
    GameState,
    Intent,
    OrderEvent,
    Report,
    TopOfBook,
)
from trading_logic.contracts.record import Cause, PositionRecord, TradingLease
from trading_logic.refusal import Verdict
from trading_logic.risk.checks import Claim, GateState, verdicts
from trading_logic.risk.drawdown import trading_day
from trading_logic.risk.limits import ORDER_WINDOW_MS

FILE = "evidence.json"
KEPT = 300
"""Orders, and trades that became none, that are kept in full: the newest. Counts go on."""
FILLS_KEPT = 5 * KEPT
"""Fills that are kept in full: the newest. What they come to is added up for all."""
READ = 1_000
WRITE_EVERY_MS = 2_000
WAIT_LOOKS = 20
"""Looks after which a dropped wish whose decision never came is left without its gate."""


class EvidenceError(Exception):
    """Evidence that cannot be read or written; the message says what to do."""


class Counted(msgspec.Struct, frozen=True):
    """Counters of one process over all its restarts."""

    role: str
    subject: str
    counters: dict[str, int]


class Desk(msgspec.Struct, frozen=True):
    """What one decision process decides for."""

    strategy: str
    policy: str
    event: str


class Account(msgspec.Struct, frozen=True):
    """What the gate would look at in one policy, read at `read_ms`. Units as in `trading_logic.contracts`."""

    read_ms: int
    risk: dict[str, str]
    causes: tuple[Cause, ...]
    epoch: int
    positions: tuple[PositionRecord, ...]
    exposure: dict[str, int]
    reserved: dict[str, str]
    lease_ms_left: int
    lease_epoch: int
    orders_last_minute: int
    trades_today: int
    flatten: dict[str, int]  # strategy -> wall ms until which people want it flat
    terms: dict[str, int]
    writers: dict[str, str]


class Story(msgspec.Struct):
    """One wish and what became of it. `order` is its hash in the record, empty when the gate dropped it.

    `gate` are the gate's checks on the account as it was read at `gate_ms`, before the claim where that is known.
    """

    intent_id: str
    policy: str
    strategy: str
    event: str
    market: str
    steps: list[OrderEvent]
    intent: Intent | None = None
    order: dict[str, str] = {}
    gate: tuple[Verdict, ...] = ()
    gate_ms: int = 0


class Traded(msgspec.Struct, frozen=True):
    """All fills of a market in YES terms: signed contracts (NO below zero), what they cost at YES prices, fees."""

    count: int
    cost: int
    fees: int

    def and_(self, fill: FillReport) -> Traded:
        """With one fill more."""
        count = fill.count if fill.side == "yes" else -fill.count
        return Traded(self.count + count, self.cost + count * fill.yes_price, self.fees + fill.fee)


class Evidence(msgspec.Struct):
    """A run as far as it came by `at_ms`."""

    version: Literal[2]
    stamp: str
    began_ms: int
    at_ms: int
    desks: dict[str, Desk]  # by process
    counted: dict[str, Counted]  # by process
    catalog: dict[str, CatalogEntry]
    tops: dict[str, TopOfBook]
    games: dict[str, GameState]
    accounts: dict[str, Account]
    decisions: list[Decision]  # the last of each strategy and market
    trades: dict[str, Decision]  # by intent
    stories: dict[str, Story]  # by intent
    fills: dict[str, FillReport]
    traded: dict[str, Traded]  # by market
    orders: dict[str, dict[str, int]]
    """<strategy>/<event> -> claimed, accepted, filled, dropped:<rule>, refused and, of these, refused:<rule> by the
    executor's last look; those of exits begin with `exit:`."""
    refused: dict[str, Decision]  # <strategy>/<event>/<rule> -> the last decision that it refused
    dropped: dict[str, OrderEvent]
    """<strategy>/<event>/<rule> -> the last wish that the gate dropped by it; refused:<rule> for the last look."""


def read_evidence(run: Path) -> Evidence:
    """What the run in this folder left. Raises EvidenceError."""
    path = run / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Evidence)
    except FileNotFoundError:
        raise EvidenceError(f"{run}: this run left no {FILE}: it ended before its first decision could be") from None
    except msgspec.MsgspecError as error:
        raise EvidenceError(f"{path}: {error}; it was left by another version: run touchline up again") from error


def gate_state(account: Account, strategy: str, market: str, game: str, now_ms: int) -> GateState:
    """The account as the gate would see it for one market. Raises ValueError when the record holds no numbers."""
    reserved = [row.split("|") for row in account.reserved.values()]
    return GateState(
        latch_ids=tuple(cause.id for cause in account.causes),
        epoch=account.epoch,
        term=account.terms.get(strategy, 0),
        writer_token=account.writers.get(strategy, ""),
        lease_ms_left=account.lease_ms_left,
        lease_epoch=account.lease_epoch,
        reconciled=account.risk.get("reconciled") == "1",
        stale_marks=account.risk.get("marks", "none"),
        seen=False,
        now_ms=now_ms,
        orders_last_minute=account.orders_last_minute,
        trades_today=account.trades_today,
        flatten_until_ms=account.flatten.get(strategy, 0),
        equity=int(account.risk.get("equity", "0")),
        market_exposure=account.exposure.get(f"m:{market}", 0),
        game_exposure=account.exposure.get(f"g:{game}", 0),
        total_exposure=int(account.risk.get("exposure", "0")),
        market_reserved=sum(int(row[2]) for row in reserved if row[0] == market),
        game_reserved=sum(int(row[2]) for row in reserved if row[1] == game),
        total_reserved=sum(int(row[2]) for row in reserved),
    )


class Chronicle:
    """Follows a run and writes its evidence."""

    def __init__(self, feed: RedisRiskFeed, namespace: str, run: Path, began_ms: int) -> None:
        self._feed, self._namespace, self._run = feed, namespace, run
        self._evidence = Evidence(2, run.name, began_ms, 0, {}, {}, {}, {}, {}, {}, [], {}, {}, {}, {}, {}, {}, {})
        self._reports: dict[str, Report] = {}
        self._past: dict[str, Counter[str]] = {}
        self._seen: dict[str, str] = {}
        self._open: set[str] = set()
        self._waiting: dict[str, tuple[Account, int]] = {}
        self._fills: dict[str, int] = {}
        self._added: set[bytes] = set()
        self._limits: dict[str, config.Limits] = {}
        self._order = codec.Reader(OrderEvent)
        self._written_ms = 0

    async def look(self, view: View, now_ms: int, *, last: bool = False) -> None:
        """Add what happened since the last look; write now and then, and at the end.

        Raises RecordUnreachableError when the record is away, EvidenceError when the file cannot be written or a
        configuration not read; the run goes on without.
        """
        try:
            await self._look(view, now_ms)
        finally:
            if last or now_ms - self._written_ms >= WRITE_EVERY_MS:
                self._written_ms = now_ms
                self._write()

    def _write(self) -> None:
        path = self._run / FILE
        try:
            atomic_write(path, msgspec.json.encode(self._evidence))
        except OSError as error:
            raise EvidenceError(f"{path}: cannot be written: {error.strerror}; touchline why will not know") from error

    async def _look(self, view: View, now_ms: int) -> None:
        found = self._evidence
        try:
            self._count(view.reports)
        except (OSError, msgspec.MsgspecError) as error:
            raise EvidenceError(f"configuration of a process of {self._run}: {error}") from error
        found.at_ms = now_ms
        found.catalog |= view.catalog
        found.tops, found.games = dict(view.tops), dict(view.games)
        found.decisions = list(view.decisions.values())
        found.trades, found.refused = dict(view.trades), dict(view.refused)
        try:
            for policy, facts in view.facts.items():
                await self._policy(policy, facts, view, now_ms)
        except AWAY as error:
            raise RecordUnreachableError(f"record Redis: {error}") from error
        except (codec.CodecError, msgspec.MsgspecError, ValueError) as error:
            raise RecordUnreachableError(f"record Redis holds something unreadable: {error}") from error

    def _count(self, reports: Mapping[str, Report]) -> None:
        for name, report in reports.items():
            known = self._reports.get(name)
            if known is None or known.started_ms != report.started_ms:
                if known is not None:
                    self._past.setdefault(name, Counter()).update(known.counters)
                self._desk(name, report)
            self._reports[name] = report
            total = Counter(self._past.get(name, {}))
            total.update(report.counters)
            self._evidence.counted[name] = Counted(report.role, report.subject, dict(total))

    def _desk(self, name: str, report: Report) -> None:
        """Which strategy and event a decision process serves: only its configuration says."""
        if report.role != "decision":
            return
        path = self._run / "config" / name / "config.json"
        if path.exists():  # else its Deployment was removed since it reported
            found = config.decode(path.read_bytes(), config.DecisionConfig)
            self._evidence.desks[name] = Desk(found.strategy, found.policy, found.event)

    def _ledger(self, policy: str) -> config.LedgerConfig | None:
        name = next((n for n, r in self._reports.items() if r.role == "ledger" and r.subject == policy), None)
        path = self._run / "config" / name / "config.json" if name else None
        return config.decode(path.read_bytes(), config.LedgerConfig) if path and path.exists() else None

    async def _policy(self, policy: str, facts: PolicyFacts, view: View, now_ms: int) -> None:
        before = self._evidence.accounts.get(policy)
        names = topics.RecordTopics(self._namespace, policy)
        ledger = self._ledger(policy)
        if ledger is not None:
            self._limits[policy] = ledger.limits
            self._evidence.accounts[policy] = await self._account(names, facts, ledger, now_ms)
        await self._orders(names, before or self._evidence.accounts.get(policy))
        if view.booked[policy] != self._fills.get(policy):
            self._fills[policy] = view.booked[policy]
            self._booked(await done(self._feed.record.hgetall(names.booked())))

    def _booked(self, rows: Mapping[bytes, bytes]) -> None:
        """Add the fills that are new; each is added up once, also when it is no longer kept."""
        found = self._evidence
        new = []
        for key, body in rows.items():
            if key not in self._added and body.startswith(b'{"t":"fill"'):  # the hash also guards transfers
                new.append(msgspec.json.decode(body, type=FillReport))
                self._added.add(key)
        for fill in sorted(new, key=lambda fill: fill.at_ms):
            found.fills[fill.fill_id] = fill
            found.traded[fill.market] = found.traded.get(fill.market, Traded(0, 0, 0)).and_(fill)
        for fill_id in list(found.fills)[: max(0, len(found.fills) - FILLS_KEPT)]:
            del found.fills[fill_id]

    async def _account(
        self, names: topics.RecordTopics, facts: PolicyFacts, ledger: config.LedgerConfig, now_ms: int
    ) -> Account:
        strategies = sorted({desk.strategy for desk in self._evidence.desks.values() if desk.policy == names.policy})
        day = trading_day(now_ms, ledger.trading_day.time_zone, ledger.trading_day.starts_at)
        pipe: Any = self._feed.record.pipeline(transaction=True)
        pipe.hgetall(names.exposure())
        pipe.hgetall(names.reserved())
        pipe.get(names.trading_lease())
        pipe.pttl(names.trading_lease())
        pipe.zcount(names.rate(), now_ms - ORDER_WINDOW_MS, "+inf")
        pipe.scard(names.trades(day))
        pipe.hgetall(names.flatten())
        for strategy in strategies:
            pipe.get(names.term(strategy))
            pipe.get(names.writer_lease(strategy))
        exposure, reserved, lease, left, rate, trades, flatten, *fences = await pipe.execute()
        fenced = list(zip(strategies, fences[::2], fences[1::2], strict=True))
        return Account(
            read_ms=now_ms,
            risk=dict(facts.risk),
            causes=facts.causes,
            epoch=facts.epoch,
            positions=facts.positions,
            exposure={key.decode(): int(value) for key, value in exposure.items()},
            reserved={key.decode(): value.decode() for key, value in reserved.items()},
            lease_ms_left=left,
            lease_epoch=msgspec.json.decode(lease, type=TradingLease).epoch if lease else 0,
            orders_last_minute=rate,
            trades_today=trades,
            flatten={key.decode(): int(value) for key, value in flatten.items()},
            terms={name: int(term or 0) for name, term, _ in fenced},
            writers={name: token.decode() if token else "" for name, _, token in fenced},
        )

    # ------------------------------------------------------------------------------------------ orders

    async def _orders(self, names: topics.RecordTopics, account: Account | None) -> None:
        changed: set[str] = set()
        while True:
            rows = await done(self._feed.record.xrange(names.orders(), self._seen.get(names.policy, "-"), count=READ))
            for entry_id, fields in rows:
                self._seen[names.policy] = f"({entry_id.decode()}"
                step = self._order.json(fields[codec.JSON_FIELD])
                self._step(names.policy, step, account)
                changed.add(step.intent_id)
            if len(rows) < READ:
                break
        stories = self._evidence.stories
        reading = [
            intent for intent in changed | self._open if intent in stories and stories[intent].policy == names.policy
        ]
        if reading:
            pipe: Any = self._feed.record.pipeline(transaction=False)
            for intent in reading:
                pipe.hgetall(names.order(intent))
                pipe.sismember(names.open_orders(), intent)
            replies = await pipe.execute()
            for intent, fields, is_open in zip(reading, replies[::2], replies[1::2], strict=True):
                self._hash(stories[intent], fields)
                (self._open.add if is_open else self._open.discard)(intent)
        self._gates()
        for intent in list(stories)[: max(0, len(stories) - KEPT)]:
            del stories[intent]
            self._open.discard(intent)

    def _step(self, policy: str, step: OrderEvent, account: Account | None) -> None:
        stories = self._evidence.stories
        story = stories.get(step.intent_id)
        event = self._event_of(step.market)
        counts = self._evidence.orders.setdefault(f"{step.strategy}/{event}", {})

        kind = (story.steps[0] if story and story.steps else step).kind

        def one_more(name: str) -> None:
            name = f"exit:{name}" if kind == "exit" else name
            counts[name] = counts.get(name, 0) + 1

        if story is None:
            story = stories[step.intent_id] = Story(step.intent_id, policy, step.strategy, event, step.market, [])
            if account is not None:
                self._waiting[step.intent_id] = (account, WAIT_LOOKS)
        before = story.steps[-1] if story.steps else None
        if step.state == "dropped":
            one_more(f"dropped:{step.rule}")
            self._evidence.dropped[f"{step.strategy}/{event}/{step.rule}"] = step
        elif step.state in {"claimed", "refused"}:
            one_more(step.state)
            if step.rule:
                one_more(f"refused:{step.rule}")
                self._evidence.dropped[f"{step.strategy}/{event}/refused:{step.rule}"] = step
        if step.order_id and not (before and before.order_id):
            one_more("accepted")
        if step.filled and not (before and before.filled):
            one_more("filled")
        story.steps.append(step)

    def _event_of(self, market: str) -> str:
        for event, entry in self._evidence.catalog.items():
            if any(info.market == market for info in entry.markets):
                return event
        return market.rpartition("-")[0]

    def _hash(self, story: Story, fields: Mapping[bytes, bytes]) -> None:
        order = {key.decode(): value.decode() for key, value in fields.items()}
        body = order.pop("intent", None)
        if body is not None:
            story.order = order
            story.intent = msgspec.json.decode(body, type=Intent)

    def _gates(self) -> None:
        """What the gate would have seen, for the wishes that are new since the last look."""
        for intent_id, (account, looks) in list(self._waiting.items()):
            story = self._evidence.stories.get(intent_id)
            found = self._claim(story) if story is not None else None
            if story is None or found is not None or looks <= 0:
                del self._waiting[intent_id]
            else:
                self._waiting[intent_id] = (account, looks - 1)
            if story is not None and found is not None:
                claim, game = found
                state = gate_state(account, story.strategy, story.market, game, story.steps[0].at_ms)
                claim = msgspec.structs.replace(claim, writer_token=state.writer_token)
                story.gate, story.gate_ms = verdicts(state, claim, self._limits[story.policy]), account.read_ms

    def _claim(self, story: Story) -> tuple[Claim, str] | None:
        """What was asked of the gate, and for which game; None while neither its order nor its decision is known."""
        step = story.steps[0]
        if story.intent is not None:
            wish = story.intent
            return Claim(wish.id, wish.kind, step.epoch, step.term, "", wish.received_ms, wish.cost), wish.game
        decision = self._evidence.trades.get(story.intent_id)
        entry = self._evidence.catalog.get(story.event)
        if decision is None or decision.explanation is None or decision.explanation.sizing is None or entry is None:
            return None
        cost = decision.explanation.sizing.cost
        return Claim(story.intent_id, "entry", step.epoch, step.term, "", decision.received_ms, cost), entry.game
