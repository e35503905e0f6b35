"""One running venue: world, accounts, log, limits, faults and the listeners of its events."""

from collections.abc import Callable
from dataclasses import dataclass, field

from services.simulator.accept_log import AcceptLog
from services.simulator.auth import Authenticator
from services.simulator.engine.events import Event
from services.simulator.engine.exchange import Exchange
from services.simulator.engine.model import Account
from services.simulator.faults import Faults
from services.simulator.keys import AccountKey
from services.simulator.limits import Limiter
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
    """Everything the edges need. ``wall_ms`` is the clock of the exchange."""

    world: World
    authenticator: Authenticator
    accounts: dict[str, Account]
    log: AcceptLog
    limiter: Limiter
    faults: Faults
    listeners: Listeners
    wall_ms: Callable[[], int]

    @property
    def exchange(self) -> Exchange:
        return self.world.exchange

    def advance(self) -> int:
        """Bring the world up to the clock and return its time."""
        return self.world.advance(self.wall_ms())

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
) -> Venue:
    """Open the world at the clock's time with one funded account (1/1,000,000 dollar) per key."""
    listeners = Listeners([log.on_event])
    world = World(settings, games, wall_ms(), listeners)
    accounts = {key.key_id: world.exchange.add_account(key.key_id, cash) for key in keys}
    log.write(
        "world_started",
        seed=settings.seed,
        speed=settings.speed,
        games=[game.event_ticker for game in games],
        accounts=list(accounts),
    )
    return Venue(
        world=world,
        authenticator=Authenticator({key.key_id: key.public_key for key in keys}),
        accounts=accounts,
        log=log,
        limiter=Limiter(tier),
        faults=Faults(),
        listeners=listeners,
        wall_ms=wall_ms,
    )
