"""One seed, one world: the exchange, the games on it, and the schedule that moves both."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from services.simulator.engine import lifecycle
from services.simulator.engine.events import Event
from services.simulator.engine.exchange import Exchange
from services.simulator.engine.model import DOLLAR, Market
from services.simulator.world.catalogue import Game, open_game
from services.simulator.world.flow import Flow, FlowSettings
from services.simulator.world.games import GameInfo, load_plays
from services.simulator.world.schedule import Schedule
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


class World:
    """Games in compressed time on one exchange. ``advance`` is the only thing that moves it."""

    def __init__(
        self, settings: WorldSettings, games: list[GameInfo], start_ms: int, emit: Callable[[Event], None]
    ) -> None:
        self.settings = settings
        self.start_ms = start_ms
        self.now_ms = start_ms
        self.schedule = Schedule()
        self.exchange = Exchange(_Ids(settings.seed, start_ms), emit)
        self.games: dict[str, Game] = {}
        for info in games:
            self._add(info)

    def game_of(self, market: Market) -> Game:
        return self.games[market.event_ticker]

    def advance(self, now_ms: int) -> int:
        """Do all that is due by ``now_ms`` and return the world's time, which never goes backwards."""
        now_ms = max(now_ms, self.now_ms)
        self.schedule.run(now_ms)
        self.exchange.expire(now_ms)
        self.now_ms = now_ms
        return now_ms

    def _add(self, info: GameInfo) -> None:
        settings = self.settings
        plays = load_plays(info)
        kickoff_ms = self.start_ms + round(settings.pregame_s * 1000)
        game = open_game(
            info,
            build(info, plays, settings.speed),
            opening_chance(plays),
            start_ms=self.start_ms,
            kickoff_ms=kickoff_ms,
            speed=settings.speed,
            settlement_s=settings.settlement_s,
        )
        self.games[game.event_ticker] = game
        names = [*(f"maker-{number}" for number in range(1, settings.makers + 1)), "noise", "informed"]
        accounts = [self.exchange.add_account(f"{info.game_id}:{name}", _FLOW_CASH, internal=True) for name in names]
        flow = Flow(self.exchange, self.schedule, game, _random(settings.seed, info.game_id), settings.flow, accounts)
        for market in game.markets.values():
            self.exchange.add_market(market)
            lifecycle.activate(self.exchange, market, self.start_ms)
        flow.start(self.start_ms)
        for moment in game.moments:
            self.schedule.at(kickoff_ms + moment.offset_ms, self._show(game, flow, moment))

    def _show(self, game: Game, flow: Flow, moment: Moment) -> Callable[[int], None]:
        def show(at_ms: int) -> None:
            if moment.last_play != game.now.last_play:
                game.play_ms = at_ms
            game.now, game.changed_ms = moment, at_ms
            over = moment.status == "closed"
            flow.learn(moment.home_chance, at_ms, over=over)
            if over:
                self.schedule.at(at_ms + round(self.settings.close_after_s * 1000), lambda at: self._close(game, at))

        return show

    def _close(self, game: Game, now_ms: int) -> None:
        for market in game.markets.values():
            lifecycle.close(self.exchange, market, now_ms)
        self.schedule.at(now_ms + round(self.settings.determine_after_s * 1000), lambda at: self._determine(game, at))

    def _determine(self, game: Game, now_ms: int) -> None:
        winner = game.winner()
        for market in game.markets.values():
            value = DOLLAR // 2 if not winner else DOLLAR if game.team_of(market.ticker) == winner else 0
            lifecycle.determine(self.exchange, market, value, now_ms)
        self.schedule.at(now_ms + self.settings.settlement_s * 1000, lambda at: self._settle(game, at))

    def _settle(self, game: Game, now_ms: int) -> None:
        for market in game.markets.values():
            lifecycle.settle(self.exchange, market, now_ms)


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


def _random(seed: int, name: str) -> Random:
    """A stream of its own per game, so that adding a game changes no other."""
    return Random(hashlib.sha256(f"{seed}:{name}".encode()).digest())  # noqa: S311  - a reproducible world, not a secret
