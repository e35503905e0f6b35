"""The judge: an append-only file of what the exchange accepted from signed accounts.

Each line is one JSON object, written and flushed before the answer leaves. ``wall_ms`` and ``mono_ns`` are
the simulator's own clocks.
A restart goes on in the same file; ``n`` starts again with the ``world_started`` line.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from services.simulator.engine.errors import Refused
from services.simulator.engine.events import Event, Filled, GroupChanged, OrderChanged
from services.simulator.engine.model import Account, NewOrder, Order
from trading_logic.money import format_cash, format_count, format_price

FILE_NAME = "accepts.jsonl"


class AcceptLog:
    """``wall_ms`` and ``mono_ns`` give the clocks; ``count`` is the number of lines this world wrote."""

    def __init__(
        self, state_dir: Path, wall_ms: Callable[[], int], mono_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._path = state_dir / FILE_NAME
        self._file = self._path.open("ab", buffering=0)
        self._begin = self._file.tell()
        self.count = 0
        self._wall_ms = wall_ms
        self._mono_ns = mono_ns

    def read(self, after: int) -> list[dict[str, Any]]:
        """Lines of this world with ``n`` above ``after``."""
        with self._path.open("rb") as file:
            file.seek(self._begin)
            lines = file.read().splitlines()
        return [msgspec.json.decode(line, type=dict[str, Any]) for line in lines[after:]]

    def close(self) -> None:
        self._file.close()

    def write(self, kind: str, **members: Any) -> None:
        self.count += 1
        line = msgspec.json.encode(
            {
                "n": self.count,
                "kind": kind,
                "wall_ms": self._wall_ms(),
                "mono_ns": self._mono_ns(),
                **members,
            }
        )
        self._file.write(line + b"\n")

    def rejected(self, account: Account, new: NewOrder | None, refused: Refused) -> None:
        """A create that the exchange turned down."""
        members: dict[str, Any] = {"account": account.account_id, "code": refused.code, "details": refused.details}
        if new is not None:
            members |= {
                "client_order_id": new.client_order_id,
                "ticker": new.ticker,
                "side": new.side,
                "price": format_price(new.price),
                "count": format_count(new.count),
                "group": new.group_id,
            }
        self.write("order_rejected", **members)

    def on_event(self, event: Event) -> None:
        """Write what concerns signed accounts."""
        match event:
            case OrderChanged(order, change, _, count) if not order.account.internal and change != "filled":
                shown = count if change in {"canceled", "decreased"} else order.initial
                self.write(f"order_{change}", **_order(order), count=format_count(shown), reason=order.reason)
            case Filled(order, fill) if not order.account.internal:
                self.write(
                    "fill",
                    **(_order(order) | {"price": format_price(fill.price)}),
                    count=format_count(fill.count),
                    trade_id=fill.trade_id,
                    is_taker=fill.is_taker,
                    fee=format_cash(fill.fee),
                    position=format_count(fill.position_after),
                )
            case GroupChanged(group, change, _):
                self.write(
                    f"group_{change}",
                    account=group.account.account_id,
                    group=group.group_id,
                    contracts_limit=format_count(group.limit),
                )
            case _:
                return


def _order(order: Order) -> dict[str, Any]:
    return {
        "account": order.account.account_id,
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "ticker": order.market.ticker,
        "side": order.side,
        "price": format_price(order.price),
        "time_in_force": order.time_in_force,
        "reduce_only": order.reduce_only,
        "group": order.group.group_id if order.group is not None else "",
    }
