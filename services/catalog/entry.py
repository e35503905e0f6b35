"""From what the exchange says of an event to one CatalogEntry. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.catalog.lines import CatalogError, Terms, terms_of
from services.exchange.models import Event, Market, Milestone, Series, Trade
from trading_logic.contracts.messages import CatalogEntry, MarketInfo, Sport
from trading_logic.fees import FeeSchedule
from trading_logic.markets import PriceGrid
from trading_logic.money import DOLLAR_PRICE, MoneyError, format_price

GAME_TYPES: dict[str, Sport] = {"football_game": "football", "basketball_game": "basketball"}
"""Milestone types whose games can be followed, and the sport of each."""

PRIOR_MAX_SPREAD = 1_000
"""A wider book before the start says nothing about the game: 0.10 dollar."""

PRIOR_TRADES = 10
"""How many of the last trades before the start stand in for a book that was not seen."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that one entry is made of."""

    event: Event
    series: Series
    milestones: Sequence[Milestone]
    exchange_active: bool


def game_of(event: str, milestones: Sequence[Milestone]) -> Milestone:
    """The game of an event: the one milestone of a game that is related to it. Raises CatalogError.

    An event about a game's spread or total has the milestone whose main event is the winner.
    """
    games = [m for m in milestones if event in m.related_event_tickers and "main_game_event_ticker" in m.details]
    if len(games) != 1:
        raise CatalogError(
            f"event {event}: {len(games)} of {len(milestones)} milestones are games (details.main_game_event_ticker) "
            "that are related to it; exactly 1 is needed"
        )
    return games[0]


def build(feed: str, facts: Facts, previous: CatalogEntry | None, now_ms: int) -> CatalogEntry:
    """The entry as of `now_ms`. `previous` is what was known before: priors seen before the start are kept.

    Raises CatalogError when a field that trading relies on is missing or not understood.
    """
    event = facts.event
    ticker = event.event_ticker
    game = game_of(ticker, facts.milestones)
    sport = GAME_TYPES.get(game.type)
    if sport is None:
        raise CatalogError(f"event {ticker}: milestone type {game.type!r}; allowed: {', '.join(GAME_TYPES)}")
    home_id = _text(game.details, "home_team_id", ticker)
    away_id = _text(game.details, "away_team_id", ticker)
    fee_type = event.fee_type_override or facts.series.fee_type
    multiplier = event.fee_multiplier_override
    if multiplier is None:
        multiplier = facts.series.fee_multiplier
    try:
        FeeSchedule(fee_type, multiplier)
        terms = {market.ticker: terms_of(market, home_id, away_id) for market in event.markets}
        for market in event.markets:
            PriceGrid.from_ranges(_ranges(market), f"{market.ticker}.price_ranges")
    except MoneyError as error:
        raise CatalogError(f"event {ticker}: {error}") from error
    home, away = _teams(event, terms, game)
    known = {market.market: market.prior for market in previous.markets} if previous else {}
    return CatalogEntry(
        event=ticker,
        series=event.series_ticker,
        feed=feed,
        title=event.title,
        game=game.id,
        sport=sport,
        home=home,
        away=away,
        home_id=home_id,
        away_id=away_id,
        start_ms=game.start_date,
        exchange_index=event.exchange_index,
        fee_type=fee_type,
        fee_multiplier_ppm=multiplier,
        exchange_active=facts.exchange_active,
        markets=tuple(
            MarketInfo(
                market=market.ticker,
                outcome=terms[market.ticker].outcome,
                title=market.yes_sub_title,
                status=market.status.value,
                price_ranges=tuple((r["start"], r["end"], r["step"]) for r in _ranges(market)),
                close_ms=market.close_time,
                result=market.result,
                prior=prior_of_book(market, known.get(market.ticker), game.start_date, now_ms),
                line=terms[market.ticker].line,
                strike=terms[market.ticker].strike,
            )
            for market in event.markets
        ),
        updated_ms=now_ms,
    )


def _teams(event: Event, terms: Mapping[str, Terms], game: Milestone) -> tuple[str, str]:
    """Names of home and away: of a winner event its markets', otherwise what the game's title says."""
    lines = {one.line for one in terms.values()}
    if len(lines) > 1:
        raise CatalogError(f"event {event.event_ticker}: markets of {', '.join(sorted(lines))}; one kind is allowed")
    names = {terms[market.ticker].outcome: market.yes_sub_title for market in event.markets}
    if lines == {"winner"} or not lines:
        if set(names) != {"home", "away"}:
            raise CatalogError(
                f"event {event.event_ticker}: markets for {sorted(names)}; one for home and one for away are needed"
            )
        return names["home"], names["away"]
    away, at, home = game.title.partition(" at ")
    if not (away and at and home):
        raise CatalogError(f"event {event.event_ticker}: game title {game.title!r}; allowed: AWAY at HOME")
    return home, away


def prior_of_book(market: Market, known: int | None, start_ms: int, now_ms: int) -> int | None:
    """The market's own view of the game before it starts: middle of a tight two-sided book, 1/10,000 dollar.

    From the start on the answer is what was known: a price that has seen the game is no prior.
    """
    if now_ms >= start_ms:
        return known
    two_sided = market.yes_bid > 0 and 0 < market.yes_ask < DOLLAR_PRICE and market.yes_bid < market.yes_ask
    if not two_sided or market.yes_ask - market.yes_bid > PRIOR_MAX_SPREAD:
        return known
    return (market.yes_bid + market.yes_ask) // 2


def prior_of_trades(trades: Sequence[Trade], start_ms: int) -> int | None:
    """Mean YES price, weighted by count, of the last trades before the start; None when there is none."""
    before = [t for t in trades if t.created_time < start_ms and not t.is_block_trade and t.count > 0]
    before.sort(key=lambda t: t.created_time, reverse=True)
    last = before[:PRIOR_TRADES]
    count = sum(t.count for t in last)
    return sum(t.yes_price * t.count for t in last) // count if count else None


def same_but_for_time(a: CatalogEntry | None, b: CatalogEntry) -> bool:
    """Whether nothing that a reader acts on has changed."""
    return a is not None and _timeless(a) == _timeless(b)


def _timeless(entry: CatalogEntry) -> tuple[object, ...]:
    return tuple(getattr(entry, name) for name in entry.__struct_fields__ if name != "updated_ms")


def _text(details: Mapping[str, Any], key: str, ticker: str) -> str:
    value = details.get(key)
    if not isinstance(value, str) or not value:
        raise CatalogError(f"event {ticker}: milestone details.{key} is {value!r}; a team id is needed")
    return value


def _ranges(market: Market) -> list[dict[str, str]]:
    return [
        {"start": format_price(r.start), "end": format_price(r.end), "step": format_price(r.step)}
        for r in market.price_ranges
    ]
