"""Subaccounts: make them, read their balances, move cash between them."""

from uuid import UUID

import msgspec

from services.simulator.engine import subaccounts
from services.simulator.engine.errors import Refused
from services.simulator.engine.model import Transfer
from services.simulator.rest.call import Call, Reply, Route, single_shard
from services.simulator.wire.errors import flat
from trading_logic.money import CENT_CASH, format_price

_CAN_CREATE_FROM = "advanced"


class CreateBody(msgspec.Struct):
    exchange_index: int | None = None


class TransferBody(msgspec.Struct):
    client_transfer_id: UUID
    from_subaccount: int
    to_subaccount: int
    amount_cents: int
    exchange_index: int | None = None


class NettingBody(msgspec.Struct):
    subaccount_number: int
    enabled: bool


def _create(call: Call) -> Reply:
    if call.body:
        single_shard(call.decode(CreateBody, "CreateSubaccountRequest").exchange_index)
    member = call.whole_member()
    if call.venue.limiter.tier_of(member.accounts[0].account_id) == "basic":
        raise Refused("forbidden", status=403, details=f"subaccounts need the {_CAN_CREATE_FROM} tier")
    made = subaccounts.create(call.venue.exchange, member)
    return Reply({"subaccount_number": made.number}, 201)


def _balances(call: Call) -> Reply:
    rows = [
        {
            "subaccount_number": purse.number,
            "exchange_index": 0,
            "balance": format_price(purse.cash // 100),
            "updated_ts": call.now_ms // 1000,
        }
        for purse in call.whole_member().accounts.values()
    ]
    return Reply({"subaccount_balances": rows})


def _transfer(call: Call) -> Reply:
    body = call.decode(TransferBody, "ApplySubaccountTransferRequest")
    single_shard(body.exchange_index)
    if body.amount_cents <= 0:
        raise flat("amount_cents must be above 0")
    done = subaccounts.transfer(
        call.venue.exchange,
        call.whole_member(),
        str(body.client_transfer_id),
        body.from_subaccount,
        body.to_subaccount,
        body.amount_cents * CENT_CASH,
        call.now_ms,
    )
    return Reply({"transfer_id": done.transfer_id})


def _row(done: Transfer) -> dict[str, object]:
    return {
        "transfer_id": done.transfer_id,
        "from_subaccount": done.source,
        "to_subaccount": done.target,
        "amount_cents": done.amount // CENT_CASH,
        "created_ts": done.ts_ms // 1000,
        "exchange_index": 0,
    }


def _transfers(call: Call) -> Reply:
    page, cursor = call.newest(list(call.whole_member().transfers.values()), 100, 1, 500)
    return Reply({"transfers": [_row(done) for done in page], "cursor": cursor})


def _netting(call: Call) -> Reply:
    rows = [
        {"subaccount_number": number, "enabled": False, "exchange_index": 0} for number in call.whole_member().accounts
    ]
    return Reply({"netting_configs": rows})


def _set_netting(call: Call) -> Reply:
    body = call.decode(NettingBody, "UpdateSubaccountNettingRequest")
    call.purse(body.subaccount_number)
    if body.enabled:
        raise Refused("not_implemented", status=501, details="netting across markets is not simulated")
    return Reply({})


_BASE = "/portfolio/subaccounts"
_MOVES = "write::transfer"
ROUTES = [
    Route("POST", _BASE, "CreateSubaccount", _create, auth=True),
    Route("GET", f"{_BASE}/balances", "GetSubaccountBalances", _balances, auth=True, scope="read::portfolio_balance"),
    Route("POST", f"{_BASE}/transfer", "ApplySubaccountTransfer", _transfer, auth=True, scope=_MOVES),
    Route("GET", f"{_BASE}/transfers", "GetSubaccountTransfers", _transfers, auth=True),
    Route("GET", f"{_BASE}/netting", "GetSubaccountNetting", _netting, auth=True),
    Route("PUT", f"{_BASE}/netting", "UpdateSubaccountNetting", _set_netting, auth=True),
]
