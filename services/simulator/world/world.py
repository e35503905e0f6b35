"""One seed, one world: the exchange, the games on it, and the schedule that moves both."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from services.simulator.engine import lifecycle
from services.simulator.engine.events import Event
from services.simulator.engine.exchange import Exchange
from services.simulator.engine.model import Market
from services.simulator.world.catalogue import SPORT_SERIES, Game, final_word, open_game
from services.simulator.world.flow import LIKE_RECORDED, Flow, FlowSettings
from services.simulator.world.games import GameInfo, load_plays
from services.simulator.world.generate import Script, invent, seeded
from services.simulator.world.listings import EventListing, MarketListing, SeriesListing
from services.simulator.world.schedule import Schedule
from services.simulator.world.sports import Line
from services.simulator.world.timeline import Moment, build, opening_chance

_FLOW_CASH = 50_000_000 * 1_000_000
"""Each account of the flow starts with 50 million dollars, so that no market runs dry."""


@dataclass(frozen=True, slots=True)
class WorldSettings:
    """How games are played. Times in wall seconds."""

    seed: int = 1
    speed: float = 60.0
    pregame_s: float = 12.0
    close_after_s: float = 4.0
    determine_after_s: float = 1.0
    settlement_s: int = 5
    makers: int = 2
    flow: FlowSettings = field(default_factory=FlowSettings)
    lines: tuple[Line, ...] = ("winner",)
    generate: tuple[tuple[str, int], ...] = ()
    """Games to invent, as (sport, how many); their crowd is ``generated_flow``."""
    generated_flow: FlowSettings = LIKE_RECORDED
    list_every_s: float = 0.0
    """Seconds from the listing of one game to that of the next; kickoff follows ``pregame_s`` later."""
    at_once: Mapping[str, int] = field(default_factory=dict)
    """Sport -> how many of its games are listed at the start; without it only the first of all games is."""
    exchange: Callable[[Callable[[], str], Callable[[Event], None]], Exchange] = Exchange


class World:
    """Games in compressed time on one exchange. ``advance`` is the only thing that moves it."""

    def __init__(
        self, settings: WorldSettings, games: list[GameInfo], start_ms: int, emit: Callable[[Event], None]
    ) -> None:
        self.settings = settings
        self.start_ms = start_ms
        self.now_ms = start_ms
        self.schedule = Schedule()
        self.exchange = settings.exchange(_Ids(settings.seed, start_ms), emit)
        self.games: dict[str, Game] = {}
        self.series: dict[str, SeriesListing] = {}
        self.events: dict[str, EventListing] = {}
        self.listings: dict[str, MarketListing] = {}
        self._game_of_event: dict[str, Game] = {}
        scripts = []
        for info in games:
            plays = load_plays(info)
            told = Script(info, build(info, plays, settings.speed), opening_chance(plays))
            scripts.append((told, settings.flow))
        invented = invent(settings.generate, settings.seed, settings.speed)
        scripts += [(told, settings.generated_flow) for told in invented]
        of_sport: Counter[str] = Counter()
        for number, (script, crowd) in enumerate(scripts):
            sport = script.info.sport.name
            turn = max(0, of_sport[sport] - settings.at_once.get(sport, 0) + 1) if settings.at_once else number
            of_sport[sport] += 1
            listed_ms = start_ms + round(turn * settings.list_every_s * 1000)
            if listed_ms == start_ms:
                self._add(script, crowd, start_ms)
            else:
                self.schedule.at(listed_ms, partial(self._add, script, crowd))

    def game_of(self, market: Market) -> Game:
        """The game that a market is about; raises ``KeyError`` for a market without one."""
        return self._game_of_event[market.event_ticker]

    def advance(self, now_ms: int) -> int:
        """Do all that is due by ``now_ms`` and return the world's time, which never goes backwards."""
        now_ms = max(now_ms, self.now_ms)
        self.schedule.run(now_ms)
        self.exchange.expire(now_ms)
        self.now_ms = now_ms
        return now_ms

    def _add(self, script: Script, crowd: FlowSettings, now_ms: int) -> None:
        settings, info = self.settings, script.info
        kickoff_ms = now_ms + round(settings.pregame_s * 1000)
        game = open_game(
            info,
            script.moments,
            script.opening_chance,
            start_ms=now_ms,
            kickoff_ms=kickoff_ms,
            speed=settings.speed,
            settlement_s=settings.settlement_s,
            lines=settings.lines,
        )
        self.games[game.event_ticker] = game
        self.listings |= game.listings
        names = [*(f"maker-{number}" for number in range(1, settings.makers + 1)), "noise", "informed"]
        accounts = [self.exchange.add_account(f"{info.game_id}:{name}", _FLOW_CASH, internal=True) for name in names]
        flows = []
        for event in game.events.values():
            self.events[event.event_ticker] = event
            self.series.setdefault(event.series_ticker, SPORT_SERIES[event.series_ticker])
            self._game_of_event[event.event_ticker] = game
            # The winner's crowd has the game's own stream: listing more of a game changes nothing there.
            name = info.game_id if event.line == "winner" else f"{info.game_id}:{event.line}"
            rng = seeded(settings.seed, name)
            flows.append(Flow(self.exchange, self.schedule, game, event, rng, crowd, accounts))
            for market in event.markets.values():
                self.exchange.add_market(market)
                lifecycle.activate(self.exchange, market, now_ms)
        for flow in flows:
            flow.start(now_ms)
        for moment in game.moments:
            self.schedule.at(kickoff_ms + moment.offset_ms, self._show(game, flows, moment))

    def _show(self, game: Game, flows: list[Flow], moment: Moment) -> Callable[[int], None]:
        def show(at_ms: int) -> None:
            if moment.last_play != game.now.last_play:
                game.play_ms = at_ms
            game.now, game.changed_ms = moment, at_ms
            over = moment.status == "closed"
            seen = game.outlook(moment)
            for flow in flows:
                flow.learn(seen, at_ms, over=over)
            if over:
                self.schedule.at(at_ms + round(self.settings.close_after_s * 1000), lambda at: self._close(game, at))

        return show

    def _close(self, game: Game, now_ms: int) -> None:
        for listing in game.listings.values():
            lifecycle.close(self.exchange, listing.market, now_ms)
        self.schedule.at(now_ms + round(self.settings.determine_after_s * 1000), lambda at: self._determine(game, at))

    def _determine(self, game: Game, now_ms: int) -> None:
        points = game.now.home_points, game.now.away_points
        for listing in game.listings.values():
            if listing.pays is None:
                raise RuntimeError(f"{listing.market.ticker} has no rule for its payout")
            listing.expiration_value = final_word(game, listing)
            lifecycle.determine(self.exchange, listing.market, listing.pays(*points), now_ms)
        self.schedule.at(now_ms + self.settings.settlement_s * 1000, lambda at: self._settle(game, at))

    def _settle(self, game: Game, now_ms: int) -> None:
        for listing in game.listings.values():
            lifecycle.settle(self.exchange, listing.market, now_ms)


class _Ids:
    """UUID-shaped ids: a stamp of seed and start, then a counter.

    A new world never repeats an old world's id.
    """

    def __init__(self, seed: int, start_ms: int) -> None:
        stamp = hashlib.sha256(f"{seed}:{start_ms}".encode()).hexdigest()
        self._prefix = f"{stamp[:8]}-{stamp[8:12]}-4{stamp[12:15]}-8{stamp[15:18]}-"
        self._count = 0

    def __call__(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._count:012x}"
