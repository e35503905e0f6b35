"""PURE: worst-case loss per market, per game and in all, of positions and of orders that nobody recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from services.ledger.books import Holding
from trading_logic.contracts.messages import CatalogEntry, MarketInfo
from trading_logic.risk.exposure import Position, Question, game_loss, game_payoffs, market_loss, portfolio_loss

Markets = Mapping[str, tuple[CatalogEntry, MarketInfo]]


@dataclass(frozen=True, slots=True)
class Unmanaged:
    """A resting order that no executor recorded; `cost` is what it would cost if it filled."""

    order_id: str
    market: str
    cost: int


@dataclass(frozen=True, slots=True)
class Exposures:
    """Worst-case losses, cash."""

    markets: Mapping[str, int]
    games: Mapping[str, int]
    total: int

    def fields(self) -> dict[str, str]:
        """The exposure hash of the record; what is zero is not in it."""
        rows = {f"m:{market}": loss for market, loss in self.markets.items()}
        rows |= {f"g:{game}": loss for game, loss in self.games.items()}
        return {name: str(loss) for name, loss in rows.items() if loss}


def of(
    holdings: Mapping[str, Holding], game_of: Callable[[str], str], markets: Markets, unmanaged: Iterable[Unmanaged]
) -> Exposures:
    """Exposure of the account; a market that the catalog does not know stands for itself.

    The others of a game (winner, spread, total) are taken together, over the ways it can end.
    """
    by_market: dict[str, int] = defaultdict(int)
    by_game: dict[str, int] = defaultdict(int)
    known: dict[str, list[Position]] = defaultdict(list)
    for market, holding in holdings.items():
        position = Position(market, holding.count, holding.cost)
        by_market[market] += market_loss(position)
        game = game_of(market)
        if market in markets:
            known[game].append(position)
        else:
            by_game[game] += market_loss(position)
    for game, positions in known.items():
        infos = [markets[position.market][1] for position in positions]
        asked = {info.market: Question(info.line, info.outcome, info.strike) for info in infos}
        by_game[game] += game_loss(positions, game_payoffs(asked))
    for order in unmanaged:
        by_market[order.market] += order.cost
        by_game[game_of(order.market)] += order.cost
    return Exposures(by_market, by_game, portfolio_loss(by_game.values()))
