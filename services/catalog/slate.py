"""Which events of a series exist: from the exchange's list and from what is known of those in play. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from services.catalog.entry import GAME_TYPES
from services.exchange.models import Event, MarketStatus, Milestone
from trading_logic.contracts.messages import Slate, SlateEvent


def state_of(event: Event) -> Literal["open", "over"]:
    """Over once every market has been paid out; an event without markets has not begun."""
    settled = [market.status is MarketStatus.FINALIZED for market in event.markets]
    return "over" if settled and all(settled) else "open"


def slate_events(events: Sequence[Event], milestones: Sequence[Milestone]) -> tuple[list[SlateEvent], list[str]]:
    """Events whose game is known, and the tickers of those left out: without exactly one game of a known sport."""
    games: dict[str, list[Milestone]] = {}
    for milestone in milestones:
        if milestone.type in GAME_TYPES:
            for ticker in milestone.related_event_tickers:
                games.setdefault(ticker, []).append(milestone)
    found: list[SlateEvent] = []
    left_out: list[str] = []
    for event in events:
        of_event = {game.id: game for game in games.get(event.event_ticker, ())}
        if len(of_event) == 1:
            (game,) = of_event.values()
            found.append(SlateEvent(event.event_ticker, game.id, game.start_date, state_of(event)))
        else:
            left_out.append(event.event_ticker)
    return found, left_out


def merged(feed: str, series: str, listed: Iterable[SlateEvent], followed: dict[str, SlateEvent], now_ms: int) -> Slate:
    """The slate: what is listed as open, and what somebody follows although it no longer is."""
    events = {one.event: one for one in listed} | followed
    return Slate(feed, series, tuple(sorted(events.values(), key=lambda one: (one.start_ms, one.event))), now_ms)
