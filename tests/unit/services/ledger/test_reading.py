from __future__ import annotations

from typing import Any

import pytest

from services.exchange import models
from services.exchange.errors import DecodeError
from services.ledger import reading


def settlement(result: Any, value: int | None) -> models.Settlement:
    return models.Settlement(
        ticker="M", event_ticker="E", exchange_index=0, market_result=result, yes_count=300, yes_total_cost=1,
        no_count=0, no_total_cost=0, revenue=0, settled_time=1, fee_cost=0, value=value,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("result", "value", "pays"), [("yes", None, 10_000), ("no", None, 0), ("scalar", 500_000, 5_000)]
)
def test_what_one_yes_pays(result: str, value: int | None, pays: int) -> None:
    assert reading.yes_value(settlement(result, value)) == pays


def test_a_scalar_result_without_its_value_is_an_error() -> None:
    with pytest.raises(DecodeError, match=r"M\.value"):
        reading.yes_value(settlement("scalar", None))


def test_only_applied_transfers_move_money_and_their_fee_leaves_with_them() -> None:
    def transfer(name: str, status: Any) -> models.Transfer:
        return models.Transfer(id=name, status=status, type="ach", amount=5_000_000, fee=20_000, created=1)

    rows = [transfer("a", "applied"), transfer("b", "pending"), transfer("c", "returned")]
    assert [(key, amount) for key, amount, _ in reading.applied(rows, 1)] == [("transfer:a", 4_980_000)]
    assert [(key, amount) for key, amount, _ in reading.applied(rows, -1)] == [("transfer:a", -5_020_000)]
