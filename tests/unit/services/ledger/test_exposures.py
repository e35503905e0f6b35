from __future__ import annotations

from typing import Any, cast

from services.ledger import exposures
from services.ledger.books import Holding
from services.ledger.exposures import Unmanaged
from trading_logic.contracts.messages import CatalogEntry, MarketInfo


def info(market: str, outcome: str, line: str = "winner", strike: int = 0) -> tuple[CatalogEntry, MarketInfo]:
    entry = cast("CatalogEntry", None)  # only the market's side of the game is read
    asked = cast("Any", line)
    return entry, MarketInfo(market, cast("Any", outcome), "", "active", (), 0, "", None, asked, strike)


MARKETS = {
    "H": info("H", "home"),
    "A": info("A", "away"),
    "H8": info("H8", "home", "spread", 750),
    "48": info("48", "over", "total", 4_750),
}


def game_of(market: str) -> str:
    return "g" if market in MARKETS else market


def test_one_position_can_lose_what_it_cost() -> None:
    found = exposures.of({"H": Holding(100, 400_000)}, game_of, MARKETS, ())
    assert found.fields() == {"m:H": "400000", "g:g": "400000"}
    assert found.total == 400_000


def test_both_winners_of_a_game_offset_each_other() -> None:
    found = exposures.of({"H": Holding(100, 400_000), "A": Holding(100, 500_000)}, game_of, MARKETS, ())
    # One of the two pays a dollar; a tie pays half of it for each.
    assert found.fields() == {"m:H": "400000", "m:A": "500000"}
    assert found.total == 0


def test_a_market_nobody_knows_stands_for_itself() -> None:
    found = exposures.of({"H": Holding(100, 400_000), "X": Holding(-100, 300_000)}, game_of, MARKETS, ())
    assert found.fields() == {"m:H": "400000", "g:g": "400000", "m:X": "300000", "g:X": "300000"}
    assert found.total == 700_000


def test_orders_that_nobody_recorded_count_in_full() -> None:
    found = exposures.of({"H": Holding(100, 400_000)}, game_of, MARKETS, [Unmanaged("o", "A", 50_000)])
    assert found.fields() == {"m:H": "400000", "m:A": "50000", "g:g": "450000"}
    assert found.total == 450_000


def test_winner_spread_and_total_of_one_game_are_one_exposure() -> None:
    held = {"H": Holding(100, 600_000), "H8": Holding(-100, 650_000), "48": Holding(100, 500_000)}
    found = exposures.of(held, game_of, MARKETS, ())
    assert found.fields() == {"m:H": "600000", "m:H8": "650000", "m:48": "500000", "g:g": "750000"}
    assert found.total == 750_000
