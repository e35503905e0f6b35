"""One running venue: world, accounts, log, limits, faults and the listeners of its events."""

from collections.abc import Callable
from dataclasses import dataclass, field

from services.simulator.accept_log import AcceptLog
from services.simulator.auth import ApiKey, Authenticator
from services.simulator.engine import pauses
from services.simulator.engine.candles import Candles
from services.simulator.engine.events import Event
from services.simulator.engine.exchange import Exchange
from services.simulator.engine.fees import DIRECT_MEMBER
from services.simulator.engine.model import Account
from services.simulator.faults import Faults
from services.simulator.keys import AccountKey
from services.simulator.limits import Limiter
from services.simulator.past import Past
from services.simulator.world.catalogue import Game
from services.simulator.world.games import GameInfo
from services.simulator.world.world import World, WorldSettings


@dataclass(slots=True)
class Listeners:
    """Who hears of an event, in order."""

    heard_by: list[Callable[[Event], None]] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        for listener in self.heard_by:
            listener(event)


@dataclass(slots=True)
class Venue:
    """Everything the edges need. ``clock`` gives wall milliseconds; ``windows`` are maintenance times.

    ``accounts`` holds the account that each key acts for; ``on_maintenance`` is called when a window begins.
    """

    world: World
    authenticator: Authenticator
    accounts: dict[str, Account]
    log: AcceptLog
    limiter: Limiter
    faults: Faults
    listeners: Listeners
    clock: Callable[[], int]
    candles: Candles
    past: Past
    windows: list[tuple[int, int]] = field(default_factory=list)
    on_maintenance: list[Callable[[], None]] = field(default_factory=list)
    _planned: list[tuple[int, bool]] = field(default_factory=list)

    @property
    def exchange(self) -> Exchange:
        return self.world.exchange

    def wall_ms(self) -> int:
        """The exchange's clock as it judges signatures: a scripted skew is part of it."""
        return self.clock() + self.exchange.switches.clock_skew_ms

    def advance(self) -> int:
        """Bring the world up to the clock and return its time."""
        now_ms = self.clock()
        while self._planned and self._planned[0][0] <= now_ms:
            at_ms, is_start = self._planned.pop(0)
            self.set_state(exchange_active=True, trading_active=not is_start, now_ms=self.world.advance(at_ms))
            if is_start:
                for act in self.on_maintenance:
                    act()
        return self.world.advance(now_ms)

    def add_key(self, key: ApiKey) -> None:
        self.authenticator.keys[key.key_id] = key
        self.accounts[key.key_id] = key.account.member.accounts[key.subaccount or 0]

    def remove_key(self, key_id: str) -> None:
        del self.authenticator.keys[key_id], self.accounts[key_id]

    def set_state(self, *, exchange_active: bool, trading_active: bool, now_ms: int) -> None:
        """Go into or out of a pause."""
        self.log.write("exchange_state", exchange_active=exchange_active, trading_active=trading_active)
        pauses.set_state(self.exchange, exchange_active=exchange_active, trading_active=trading_active, now_ms=now_ms)

    def plan_maintenance(self, start_ms: int, end_ms: int) -> None:
        """Pause trading and drop the streams at ``start_ms``, trade again at ``end_ms``."""
        self.windows.append((start_ms, end_ms))
        self._planned = sorted([*self._planned, (start_ms, True), (end_ms, False)])

    def game_by_milestone(self, milestone_id: str) -> Game | None:
        return next((game for game in self.world.games.values() if game.milestone_id == milestone_id), None)


def build_venue(
    settings: WorldSettings,
    games: list[GameInfo],
    keys: list[AccountKey],
    log: AcceptLog,
    *,
    cash: int,
    tier: str,
    wall_ms: Callable[[], int],
    precision: int = DIRECT_MEMBER,
) -> Venue:
    """Open the world at the clock's time with one funded account (1/1,000,000 dollar) per key.

    ``precision`` is the unit of these accounts' balances.
    """
    candles, past = Candles(), Past()
    listeners = Listeners([log.on_event, candles.on_event, past.on_event])
    world = World(settings, games, wall_ms(), listeners)
    venue = Venue(
        world=world,
        authenticator=Authenticator(),
        accounts={},
        log=log,
        limiter=Limiter(tier),
        faults=Faults(),
        listeners=listeners,
        clock=wall_ms,
        candles=candles,
        past=past,
    )
    for key in keys:
        account = world.exchange.add_account(key.key_id, cash)
        account.precision = precision
        venue.add_key(ApiKey(key.key_id, "first", ("read", "write"), key.public_key, account))
    log.write(
        "world_started",
        seed=settings.seed,
        speed=settings.speed,
        games=[game.event_ticker for game in games],
        accounts=list(venue.accounts),
    )
    return venue
