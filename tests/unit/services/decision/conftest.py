"""A strategy, a market and a signal that trade; each test changes one thing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.decision.decide import Asked
from services.decision.fair import FairValue
from services.decision.terms import market_terms
from services.decision.view import RiskView
from trading_logic.contracts import config
from trading_logic.contracts.messages import CatalogEntry, GameState, MarketInfo, Signal, TopOfBook

NOW = 1_790_000_000_000
HOME, AWAY = "KXNFLGAME-25SEP04DALPHI-PHI", "KXNFLGAME-25SEP04DALPHI-DAL"

LIMITS = config.Limits(
    max_drawdown_ppm=250_000,
    max_daily_loss_ppm=200_000,
    max_position_fraction_ppm=50_000,
    min_position_cash=1_000_000,
    max_position_cash=250_000_000,
    max_exposure_fraction_ppm=500_000,
    max_game_fraction_ppm=100_000,
    max_orders_per_minute=30,
    max_trades_per_day=20,
    stale_after_ms=10_000,
    degraded_kelly_ppm=500_000,
)
EXCHANGE = config.Exchange(
    "Simulator", "http://127.0.0.1:1/trade-api/v2", "ws://127.0.0.1:1/trade-api/ws/v2", "", "", 0
)
CONFIG = config.DecisionConfig(
    process="decision",
    namespace="t",
    redis=config.Redis("redis://x", "redis://x"),
    health=config.Health("127.0.0.1:0"),
    log_format="json",
    feed="simulator",
    strategy="sunday",
    strategy_uid="uid-1",
    policy="house",
    event="KXNFLGAME-25SEP04DALPHI",
    market="",
    models=(config.Model("game-state", 1_000_000),),
    entry=config.Entry("Take", 0, 300, 10_000, 500, 500, 9_500),
    kelly_ppm=250_000,
    exit=config.Exit(1_000, 1_500, 0),
    limits=LIMITS,
)
TOP = TopOfBook(HOME, "valid", 5_900, 50_000, 6_000, 40_000, "s", 1, 7, NOW - 5, NOW - 5)
GAME = GameState(
    source="game", game="g", sport="football", status="live", home_points=10, away_points=7, period=3,
    clock_seconds=600, seconds_remaining=1_500, possession="home", down=1, distance=10, yardline=40,
    description="", received_ms=NOW - 200,
)  # fmt: skip
SIGNAL = Signal(
    id="0" * 32, event=CONFIG.event, market=HOME, outcome="home", cause="book", top=TOP, yes_bid_depth=200_000,
    yes_ask_depth=150_000, game=GAME, game_degraded=False, prior_home_ppm=600_000, received_ms=NOW - 5, trace="t",
)  # fmt: skip
CENT = (("0.0000", "1.0000", "0.0100"),)
CATALOG = CatalogEntry(
    event=CONFIG.event, series="KXNFLGAME", feed="simulator", title="t", game="g", sport="football", home="PHI",
    away="DAL", home_id="h", away_id="a", start_ms=NOW - 10_000_000, exchange_index=0,
    fee_type="quadratic_with_maker_fees", fee_multiplier_ppm=1_000_000, exchange_active=True,
    markets=(
        MarketInfo(HOME, "home", "PHI", "active", CENT, NOW + 3_600_000, "", 6_000),
        MarketInfo(AWAY, "away", "DAL", "active", CENT, NOW + 3_600_000, "", 4_000),
    ),
    updated_ms=NOW,
)  # fmt: skip
VIEW = RiskView(
    read_ms=NOW - 100, causes=(), equity=1_000_000_000, reconciled=True, reconcile_note="", marks="",
    updated_ms=NOW - 300, total=0, by_market={}, by_game={}, positions={}, outstanding=frozenset(), backlog=0,
)  # fmt: skip


class Scene:
    """Builds an `Asked` from the trading one with some parts replaced."""

    now, signal, view, config, catalog = NOW, SIGNAL, VIEW, CONFIG, CATALOG
    home, away = HOME, AWAY

    def asked(self, **parts: Any) -> Asked:
        """`signal`, `view`, `cfg`, `catalog`, `sent`, `now`: whole replacements."""
        signal = parts.get("signal", SIGNAL)
        cfg = parts.get("cfg", CONFIG)
        markets = market_terms(parts.get("catalog", CATALOG))
        return Asked(
            signal=signal,
            market=markets.get(signal.market),
            view=parts.get("view", VIEW),
            outstanding=parts.get("sent", ()),
            config=cfg,
            fair=FairValue(cfg.models),
            now_ms=parts.get("now", NOW),
        )

    @staticmethod
    def entry(**changes: Any) -> config.DecisionConfig:
        """The configuration with other entry fields."""
        return msgspec.structs.replace(CONFIG, entry=msgspec.structs.replace(CONFIG.entry, **changes))

    @staticmethod
    def limits(**changes: Any) -> config.DecisionConfig:
        """The configuration with other limits."""
        return msgspec.structs.replace(CONFIG, limits=msgspec.structs.replace(LIMITS, **changes))

    @staticmethod
    def top(**changes: Any) -> Signal:
        """The signal with another top."""
        return msgspec.structs.replace(SIGNAL, top=msgspec.structs.replace(TOP, **changes))

    @staticmethod
    def game(**changes: Any) -> Signal:
        """The signal with another game state."""
        return msgspec.structs.replace(SIGNAL, game=msgspec.structs.replace(GAME, **changes))

    @staticmethod
    def with_(**changes: Any) -> Signal:
        """The signal with other fields."""
        return msgspec.structs.replace(SIGNAL, **changes)


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture(scope="session")
def scene_limits() -> tuple[config.Limits, RiskView]:
    return LIMITS, VIEW
