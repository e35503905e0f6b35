"""Names of wishes and orders, and the steps an order may take.

Ids are hashes of content, so the same tick and the same wish have the same id on every path and after every restart.
"""

import re
from collections.abc import Mapping
from hashlib import blake2b
from types import MappingProxyType
from typing import Final

from trading_logic.contracts.messages import TERMINAL_ORDER_STATES, OrderState

_ID_BYTES: Final = 16
_TAG_BYTES: Final = 8
# What the exchange takes as a client order id.
_CLIENT_ORDER_ID: Final = re.compile(r"[-\w:+=/]{1,64}", re.ASCII)
_INTENT_ID: Final = re.compile(rf"[0-9a-f]{{{2 * _ID_BYTES}}}", re.ASCII)


def _content_hash(kind: str, *fields: str | int, size: int = _ID_BYTES) -> str:
    """Hex hash of the fields. Each is written with its length, so no two lists of fields read the same."""
    digest = blake2b(digest_size=size, person=kind.encode())
    for field in fields:
        text = str(field).encode()
        digest.update(b"%d:" % len(text))
        digest.update(text)
    return digest.hexdigest()


def signal_id(session: str, sid: int, seq: int, market: str) -> str:
    """Id of what one frame of one subscription means for one market: 32 hex digits."""
    return _content_hash("signal", session, sid, seq, market)


def intent_id(strategy_uid: str, signal: str, action: str) -> str:
    """Id of a strategy's wish on a signal: 32 hex digits. ``action`` tells apart wishes on the same signal."""
    return _content_hash("intent", strategy_uid, signal, action)


def strategy_tag(strategy_uid: str) -> str:
    """How every client order id of this strategy begins: 16 hex digits and a dash."""
    return _content_hash("strategy", strategy_uid, size=_TAG_BYTES) + "-"


def client_order_id(strategy_uid: str, intent: str) -> str:
    """The id an order of ``intent`` has at the exchange: the strategy's tag, then the intent; 49 characters.

    Raises:
        ValueError: ``intent`` is not an id made by :func:`intent_id`.
    """
    if not _INTENT_ID.fullmatch(intent):
        raise ValueError(f"intent id: {intent!r} is not allowed; allowed: {2 * _ID_BYTES} hex digits")
    made = strategy_tag(strategy_uid) + intent
    assert _CLIENT_ORDER_ID.fullmatch(made)
    return made


def intent_of(client_order: str) -> str:
    """The intent whose order has this client order id.

    Raises:
        ValueError: it was not made by :func:`client_order_id`, so it is no order of ours.
    """
    tag, _, intent = client_order.partition("-")
    if len(tag) != 2 * _TAG_BYTES or not _INTENT_ID.fullmatch(intent):
        raise ValueError(f"client order id: {client_order!r} is not one of ours")
    return intent


STEPS: Final[Mapping[OrderState | None, frozenset[OrderState]]] = MappingProxyType(
    {
        # The gate's answer is the beginning of every life.
        None: frozenset({"claimed", "dropped"}),
        # Nothing after `claimed` was written yet: what was sent, if anything, is settled by the exchange's evidence.
        "claimed": frozenset({"resting", "executed", "canceled", "refused", "unknown", "abandoned"}),
        "unknown": frozenset({"resting", "executed", "canceled", "refused", "abandoned"}),
        # A resting order that fills in part stays resting.
        "resting": frozenset({"resting", "executed", "canceled"}),
        **{state: frozenset[OrderState]() for state in TERMINAL_ORDER_STATES},
    }
)
"""From each state (None: not yet known) the states that may follow. No step leads back to sending."""


class IllegalStepError(ValueError):
    """An order was to take a step that no order can take; the message names both states."""


def step(state: OrderState | None, after: OrderState) -> OrderState:
    """``after``, when an order in ``state`` may go there.

    Raises:
        IllegalStepError: it may not.
    """
    if after not in STEPS[state]:
        allowed = ", ".join(sorted(STEPS[state])) or "none, it is final"
        raise IllegalStepError(f"order state: {state or 'new'} -> {after} is not allowed; allowed: {allowed}")
    return after


def states_before(state: OrderState) -> tuple[OrderState, ...]:
    """The states an order may come from to be in ``state``, sorted: what a conditional write checks for."""
    return tuple(sorted(before for before, after in STEPS.items() if before is not None and state in after))
