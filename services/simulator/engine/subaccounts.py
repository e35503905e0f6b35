"""Subaccounts of a member and cash moved between them."""

from services.simulator.engine import collateral
from services.simulator.engine.errors import Refused
from services.simulator.engine.exchange import Exchange
from services.simulator.engine.model import Account, Member, Transfer

MOST = 63
"""The highest subaccount number."""


def create(exchange: Exchange, member: Member) -> Account:
    """The next subaccount, empty."""
    number = max(member.accounts) + 1
    if number > MOST:
        raise Refused("subaccount_limit_reached", details=f"at most {MOST} subaccounts")
    first = member.accounts[0]
    account_id = f"{first.account_id}/{number}"
    made = Account(
        account_id, member, 0, first.internal, number=number, precision=first.precision, switches=first.switches
    )
    exchange.accounts[account_id] = member.accounts[number] = made
    return made


def transfer(
    exchange: Exchange, member: Member, client_id: str, source: int, target: int, amount: int, now_ms: int
) -> Transfer:
    """Move cash (1/1,000,000 dollar) that no resting order holds. A client id is used once."""
    if client_id in member.transfers:
        raise Refused("transfer_already_exists", status=409)
    giving, taking = member.accounts.get(source), member.accounts.get(target)
    if giving is None or taking is None:
        raise Refused("subaccount_not_found", status=404)
    if giving is taking or amount <= 0:
        raise Refused("invalid_transfer")
    if giving.cash - collateral.reserved(giving) < amount:
        raise Refused("insufficient_balance")
    giving.cash -= amount
    giving.deposited -= amount
    taking.cash += amount
    taking.deposited += amount
    done = Transfer(exchange.new_id(), client_id, source, target, amount, now_ms)
    member.transfers[client_id] = done
    return done
