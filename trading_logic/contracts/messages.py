"""The messages that processes exchange. Frozen: a message that must change gets a new version, never new meaning.

Units everywhere: prices in 1/10,000 dollar, counts in 1/100 contract, cash in 1/1,000,000 dollar, probabilities and
fractions in parts per million (ppm), times in epoch milliseconds (`…_ms`). A NO price is in NO dollars unless a
field says `yes_price`.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from trading_logic.refusal import Verdict

VERSION = 1

Side = Literal["yes", "no"]
Sport = Literal["football", "basketball"]
Line = Literal["winner", "spread", "total"]
Outcome = Literal["home", "away", "over"]
"""What YES of a market is about: a team, or (of a total) that more points are scored."""
BookStatus = Literal["empty", "valid", "stale", "gap", "crossed"]
Level = tuple[int, int]  # price, count


class Message(msgspec.Struct, frozen=True, gc=False, tag_field="t"):
    """Base of every message; `t` names its type on the wire."""


# ---------------------------------------------------------------------------------------------- market data


class BookSnapshot(Message, frozen=True, gc=False, tag="snap"):
    """Both ladders of one market; replaces what was known. Bids only, each side in its own dollars."""

    session: str
    sid: int
    seq: int
    market: str
    yes: tuple[Level, ...]
    no: tuple[Level, ...]
    received_ms: int


class BookDelta(Message, frozen=True, gc=False, tag="delta"):
    """One level of one market changed by `delta` contracts (signed)."""

    session: str
    sid: int
    seq: int
    market: str
    side: Side
    price: int
    delta: int
    received_ms: int


class TradePrint(Message, frozen=True, gc=False, tag="trade"):
    """A public trade."""

    session: str
    sid: int
    seq: int
    market: str
    trade_id: str
    yes_price: int
    count: int
    taker: Side
    received_ms: int


class FeedState(Message, frozen=True, gc=False, tag="feed"):
    """The feed of `markets` is no longer (or again) to be trusted. Books stay blocked until their next snapshot."""

    session: str
    markets: tuple[str, ...]
    state: Literal["gap", "down", "stale"]
    reason: str
    received_ms: int


MarketData = BookSnapshot | BookDelta | TradePrint | FeedState


class BookState(Message, frozen=True, gc=False, tag="book"):
    """A snapshot made by ingest: the book as it is after the md entry `stream_id`."""

    session: str
    sid: int
    seq: int
    market: str
    status: BookStatus
    yes: tuple[Level, ...]
    no: tuple[Level, ...]
    stream_id: str
    received_ms: int


class TopOfBook(Message, frozen=True, gc=False, tag="top"):
    """Best prices of one market. `yes_ask` is 10,000 minus the best NO bid. A size of 0 means that side is empty.

    `alive_ms` is when ingest last heard anything from the exchange on this connection (a quiet market is not stale).
    """

    market: str
    status: BookStatus
    yes_bid: int
    yes_bid_size: int
    yes_ask: int
    yes_ask_size: int
    session: str
    sid: int
    seq: int
    received_ms: int
    alive_ms: int


# ---------------------------------------------------------------------------------------------- games and catalog


class GameState(Message, frozen=True, gc=False, tag="game"):
    """The live state of one game, as a source reports it.

    `clock_seconds` counts down within the period; `seconds_remaining` within regulation (0 in overtime).
    """

    source: str
    game: str
    sport: Sport
    status: Literal["scheduled", "live", "halftime", "final"]
    home_points: int
    away_points: int
    period: int
    clock_seconds: int
    seconds_remaining: int
    possession: Literal["home", "away", ""]
    down: int
    distance: int
    yardline: int  # yards to the opponent's goal line for the team in possession, 0 when unknown
    description: str
    received_ms: int
    degraded: bool = False  # the source could not read the game any more; this is the last it knew


class MarketInfo(msgspec.Struct, frozen=True, gc=False):
    """What the catalog knows of one market."""

    market: str
    outcome: Outcome
    title: str
    status: str
    price_ranges: tuple[tuple[str, str, str], ...]  # start, end, step in dollars, as the exchange says them
    close_ms: int
    result: str
    prior: int | None = None  # yes price before the start of the game, 1/10,000 dollar; None until seen
    line: Line = "winner"
    strike: int = 0  # 1/100 point; YES of a spread or total pays when the team's lead, or the points, are above it


class CatalogEntry(Message, frozen=True, gc=False, tag="catalog"):
    """What may be traded in one event, and the game it belongs to."""

    event: str
    series: str
    feed: str
    title: str
    game: str  # milestone id
    sport: Sport
    home: str
    away: str
    home_id: str  # structured target ids, as live data uses them
    away_id: str
    start_ms: int
    exchange_index: int
    fee_type: str
    fee_multiplier_ppm: int
    exchange_active: bool
    markets: tuple[MarketInfo, ...]
    updated_ms: int


class SlateEvent(msgspec.Struct, frozen=True, gc=False):
    """One event of a series: `over` once the exchange has settled all its markets."""

    event: str
    game: str  # milestone id
    start_ms: int
    state: Literal["open", "over"]


class Slate(Message, frozen=True, gc=False, tag="slate"):
    """Which events of a series exist. One that is not in here is unknown, not over."""

    feed: str
    series: str
    events: tuple[SlateEvent, ...]
    updated_ms: int


# ---------------------------------------------------------------------------------------------- deciding


class Signal(Message, frozen=True, gc=False, tag="signal"):
    """One market after one change of its top of book or of its game: all a decision needs."""

    id: str
    event: str
    market: str
    outcome: Outcome
    cause: Literal["book", "game", "feed"]
    top: TopOfBook
    yes_bid_depth: int  # contracts within the five best levels
    yes_ask_depth: int
    game: GameState | None
    game_degraded: bool  # the source's state is cached or late
    prior_home_ppm: int | None  # probability of a home win before the start, from market prices
    received_ms: int  # when the tick that caused it was received by ingest or source
    trace: str  # W3C traceparent
    prior_total: int | None = None  # points expected before the start, 1/100 point, from market prices


class ModelNumber(msgspec.Struct, frozen=True, gc=False):
    """What one model said: the probability that YES pays, and its weight in the pool; both in ppm."""

    name: str
    version: str
    weight_ppm: int
    probability_ppm: int


class Sizing(msgspec.Struct, frozen=True, gc=False):
    """How a count came to be. Cash but for `count` and `available`."""

    equity: int
    kelly_ppm: int  # fraction of the full Kelly stake
    stake: int  # what that fraction would put at risk in this market, what is held included
    held: int  # worst-case loss of what is held or reserved in this market
    rooms: dict[str, int]  # rule -> what it still leaves
    available: int | None  # for sale at the price; None when the order would rest
    clipped_by: str  # what left the least; "" when there was nothing to buy
    count: int
    cost: int


EXPLANATION_VERSION: Final = 1


class Explanation(msgspec.Struct, frozen=True, gc=False):
    """All that a decision looked at, for people who ask why. Made only for decisions that are written."""

    version: Literal[1]
    intent_id: str  # "" when there is none
    outcome: Outcome
    top: TopOfBook
    yes_bid_depth: int
    yes_ask_depth: int
    game: GameState | None
    game_degraded: bool
    prior_home_ppm: int | None
    models: tuple[ModelNumber, ...]
    fee: int | None  # worst-case fee of one contract at the price, cash
    sizing: Sizing | None
    checks: tuple[Verdict, ...]  # in the order they were asked; the first no is the last
    prior_total: int | None = None  # points expected before the start, 1/100 point


class Decision(Message, frozen=True, gc=False, tag="decision"):
    """What a strategy concluded about one market, and why."""

    id: str
    signal_id: str
    strategy: str
    event: str
    market: str
    verdict: Literal["trade", "pass", "refused"]
    rule: str  # the rule that said no; "" when trading
    value: str
    limit: str
    side: Side | Literal[""]
    fair_ppm: int | None  # probability that YES pays
    parts: tuple[tuple[str, str, int], ...]  # model, version, probability in ppm
    price: int | None  # on the chosen side
    edge: int | None  # net of fees, 1/10,000 dollar per contract
    count: int
    received_ms: int
    decided_ms: int
    trace: str
    explanation: Explanation | None = None  # None from a version that did not write it


class ExitPlan(msgspec.Struct, frozen=True, gc=False):
    """When to leave. Prices are what the position's own side can be sold for, in that side's dollars."""

    stop_price: int
    take_price: int
    flatten_at_ms: int  # 0: never


class Intent(Message, frozen=True, gc=False, tag="intent"):
    """An order that a strategy wants. Its id is a hash of content: the same wish has the same id on every path."""

    id: str
    strategy: str
    strategy_uid: str
    policy: str
    event: str
    game: str
    market: str
    exchange_index: int
    kind: Literal["entry", "exit"]
    side: Side
    price: int  # limit, in the side's own dollars
    count: int
    style: Literal["Take", "Rest"]
    rest_seconds: int
    cost: int  # worst-case loss including fees, cash
    exit_plan: ExitPlan | None
    signal_id: str
    received_ms: int
    created_ms: int
    trace: str


# ---------------------------------------------------------------------------------------------- orders and money

OrderState = Literal["claimed", "resting", "executed", "canceled", "refused", "unknown", "abandoned", "dropped"]
TERMINAL_ORDER_STATES: frozenset[OrderState] = frozenset({"executed", "canceled", "refused", "abandoned", "dropped"})


class OrderEvent(Message, frozen=True, gc=False, tag="order"):
    """One step of an order's life, written in the call that changed it.

    `kind` stands at the gate's own steps (claimed, dropped). `rule`, `value` and `limit` are our own no: the gate's to
    a dropped wish, the last look's to a refused order. They are empty at every other step and where the exchange
    refused.
    """

    intent_id: str
    client_order_id: str
    order_id: str  # "" until the exchange gave one
    strategy: str
    market: str
    state: OrderState
    filled: int
    remaining: int
    reason: str
    epoch: int
    term: int
    at_ms: int
    trace: str
    kind: Literal["entry", "exit", ""] = ""
    rule: str = ""
    value: str = ""
    limit: str = ""


class FillReport(Message, frozen=True, gc=False, tag="fill"):
    """A fill as the exchange reported it. `side` is what our order bought; `yes_price` is on the YES scale."""

    fill_id: str
    order_id: str
    market: str
    side: Side
    yes_price: int
    count: int
    is_taker: bool
    fee: int
    at_ms: int


class RiskEvent(Message, frozen=True, gc=False, tag="risk"):
    """Something that people must be able to find later."""

    kind: Literal[
        "latched", "resumed", "rebased", "halted", "pending-venue", "breach", "gap", "booked", "settled", "day"
    ]
    source: str
    rule: str
    value: str
    limit: str
    reason: str
    epoch: int
    at_ms: int


class Fault(msgspec.Struct, frozen=True, gc=False):
    """One thing that keeps a process from its work. `reason` is CamelCase, `message` one sentence."""

    reason: str
    message: str
    spec: bool = False
    """Only another spec or another Secret mends it: trying again will not."""
    event: str = ""
    """The one event that it is about; "" when it is about everything that the process does."""


MAX_FAULTS = 64


class Report(Message, frozen=True, gc=False, tag="report"):
    """What a process says of itself. `reason` is CamelCase, empty when there is nothing to say."""

    process: str
    role: str
    subject: str  # event or strategy or policy it serves
    ready: bool
    reason: str
    message: str
    counters: dict[str, int]
    resident_bytes: int
    started_ms: int
    at_ms: int
    faults: tuple[Fault, ...] = ()
    """All of them, at most MAX_FAULTS; `reason` and `message` are the first one's."""


class DeadLetter(Message, frozen=True, gc=False, tag="dead"):
    """An entry that could not be handled: where it stood, why, and its own bytes."""

    stream: str
    entry_id: str
    group: str
    reason: str
    deliveries: int
    body: bytes
    at_ms: int


WireMessage = (
    BookSnapshot
    | BookDelta
    | TradePrint
    | FeedState
    | BookState
    | TopOfBook
    | GameState
    | CatalogEntry
    | Slate
    | Signal
    | Decision
    | Intent
    | OrderEvent
    | FillReport
    | RiskEvent
    | Report
    | DeadLetter
)
