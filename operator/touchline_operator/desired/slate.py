"""PURE: which events of a followed series each strategy takes.

An event that was taken stays until the exchange has settled it. A slate that is not known moves nothing: what was
taken stays, nothing comes. Within one policy an event belongs to one strategy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from touchline_operator.api import TradingStrategy
from touchline_operator.desired.world import Followed
from trading_logic.contracts.messages import Slate


@dataclass(frozen=True, slots=True)
class Follower:
    """A strategy, the feed that it trades on, and what it had taken before."""

    strategy: TradingStrategy
    feed: str
    taken: tuple[Followed, ...]


def follow(
    followers: Iterable[Follower], slates: Mapping[tuple[str, str], Slate], now_ms: int
) -> dict[str, tuple[Followed, ...]]:
    """Strategy -> its events by series, in the order in which they were taken. `slates` are by (feed, series).

    `followers` are all strategies of the namespace, oldest first: who is older chooses first.
    """
    everyone = tuple(followers)
    found: dict[str, tuple[Followed, ...]] = {}
    by_policy: dict[str, list[Follower]] = {}
    for one in everyone:
        by_policy.setdefault(one.strategy.spec.risk_policy_ref.name, []).append(one)
    for group in by_policy.values():
        kept = {one.strategy.metadata.name: tuple(_kept(one, slates)) for one in group}
        owned = set(chain.from_iterable(one.strategy.spec.events for one in group))
        owned |= {taken.event for events in kept.values() for taken in events}
        for one in group:
            name = one.strategy.metadata.name
            new = tuple(_new(one, kept[name], slates, owned, now_ms))
            owned |= {taken.event for taken in new}
            if kept[name] or new:
                found[name] = kept[name] + new
    return found


def _kept(one: Follower, slates: Mapping[tuple[str, str], Slate]) -> Iterator[Followed]:
    wanted = {wish.series for wish in one.strategy.spec.slates}
    for taken in one.taken:
        slate = slates.get((one.feed, taken.series))
        over = slate is not None and any(e.event == taken.event and e.state == "over" for e in slate.events)
        if taken.series in wanted and not over and taken.event not in one.strategy.spec.events:
            yield taken


def _new(
    one: Follower,
    kept: tuple[Followed, ...],
    slates: Mapping[tuple[str, str], Slate],
    owned: set[str],
    now_ms: int,
) -> Iterator[Followed]:
    if one.strategy.metadata.deletion_timestamp:
        return
    for wish in one.strategy.spec.slates:
        slate = slates.get((one.feed, wish.series))
        if slate is None:
            continue
        room = wish.most - sum(taken.series == wish.series for taken in kept)
        near = sorted(
            (e.start_ms, e.event)
            for e in slate.events
            if e.state == "open" and e.event not in owned and e.start_ms - now_ms <= wish.within_ms
        )
        for _, event in near[: max(0, room)]:
            yield Followed(event, wish.series)
