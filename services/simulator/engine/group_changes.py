"""Operations on order groups."""

from services.simulator.engine import groups
from services.simulator.engine.errors import not_found
from services.simulator.engine.events import GroupChanged
from services.simulator.engine.exchange import Exchange
from services.simulator.engine.model import Account, OrderGroup


def find(account: Account, group_id: str) -> OrderGroup:
    found = account.groups.get(group_id)
    if found is None:
        raise not_found()
    return found


def create(exchange: Exchange, account: Account, limit: int, now_ms: int) -> OrderGroup:
    """A group with a limit in 1/100 contract filled in any 15 seconds."""
    group = OrderGroup(exchange.new_id(), account, limit)
    account.groups[group.group_id] = group
    exchange.emit(GroupChanged(group, "created", now_ms))
    return group


def reset(exchange: Exchange, group: OrderGroup, now_ms: int) -> None:
    """Forget what was filled and accept orders again."""
    group.triggered = False
    groups.clear(group)
    exchange.emit(GroupChanged(group, "reset", now_ms))


def limit(exchange: Exchange, group: OrderGroup, contracts: int, now_ms: int) -> None:
    """A limit below what was filled in the window triggers the group."""
    group.limit = contracts
    exchange.emit(GroupChanged(group, "limit_updated", now_ms))
    if not group.triggered and groups.recent(group, now_ms) > contracts:
        exchange.trigger(group, now_ms)


def delete(exchange: Exchange, group: OrderGroup, now_ms: int) -> None:
    """Cancel its orders and forget it."""
    exchange.empty(group, now_ms)
    del group.account.groups[group.group_id]
    exchange.emit(GroupChanged(group, "deleted", now_ms))
