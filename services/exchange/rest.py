"""The two clients that write: the witness, who can only take orders away, and the trader, who can also place them."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from services.exchange import models
from services.exchange.budget import CANCEL_COST
from services.exchange.errors import UNREADABLE, DecodeError, OutcomeUnknown, PermanentError
from services.exchange.reads import ExchangeReads
from services.exchange.transport import Answer, Call, MaybeSent, segment
from trading_logic.money import format_count, format_price

ORDERS_PATH: Final = "/portfolio/events/orders"
_BATCH_PATH: Final = "/portfolio/events/orders/batched"
_GROUPS_PATH: Final = "/portfolio/order_groups"
_JSON_TYPE: Final = "application/json"


class _Done(models.Wire, frozen=True, kw_only=True):
    """An empty object."""


class _CancelledBatch(models.Wire, frozen=True, kw_only=True):
    orders: list[models.BatchCancelItem]


class _NewGroup(models.Wire, frozen=True, kw_only=True):
    order_group_id: str


class WitnessRest(ExchangeReads):
    """Reads plus three verbs that only lower risk: trigger a group, cancel, batch-cancel. It cannot place an order.

    All three may use the reserve of the write budget and are retried: doing them twice changes nothing.
    """

    async def trigger_order_group(self, group_id: str) -> None:
        """Cancel every order of the group and have the venue refuse new ones."""
        call = Call(
            "PUT",
            f"{_GROUPS_PATH}/{segment(group_id)}/trigger",
            {"subaccount": self._subaccount},
            critical=True,
        )
        await self._transport.retried(call, _Done)

    async def cancel_order(self, order_id: str, market_ticker: str) -> models.CancelAck:
        """Raises NotFound for an order that is unknown, cancelled or executed: also after a retry that came late."""
        call = Call(
            "DELETE",
            f"{ORDERS_PATH}/{segment(order_id)}",
            {"market_ticker": market_ticker, "subaccount": self._subaccount},
            cost=CANCEL_COST,
            critical=True,
        )
        return await self._transport.retried(call, models.CancelAck)

    async def batch_cancel(self, orders: Sequence[models.OrderRef]) -> list[models.BatchCancelItem]:
        """One answer per order. Split so that each batch fits the rate budget in full."""
        size = self._transport.budget.largest_batch_cost // CANCEL_COST
        answers: list[models.BatchCancelItem] = []
        for start in range(0, len(orders), size):
            answers += await self._cancel_batch(orders[start : start + size])
        return answers

    async def _cancel_batch(self, orders: Sequence[models.OrderRef]) -> list[models.BatchCancelItem]:
        body = msgspec.json.encode(
            {
                "orders": [
                    {
                        "order_id": order.order_id,
                        "market_ticker": order.ticker,
                        "subaccount": self._subaccount,
                    }
                    for order in orders
                ]
            }
        )
        call = Call("DELETE", _BATCH_PATH, body=body, cost=CANCEL_COST * len(orders), critical=True)
        answers = (await self._transport.retried(call, _CancelledBatch)).orders
        missing = {order.order_id for order in orders} - {answer.order_id for answer in answers}
        if missing:
            raise DecodeError(call.where, "orders", f"no answer for {', '.join(sorted(missing))}")
        return answers


class ExchangeRest(WitnessRest):
    """The trader's client: everything of the witness, plus orders and order groups."""

    async def create_order(
        self,
        order: models.CreateOrder,
        *,
        max_wait_s: float | None = 0.5,
        time_left: Callable[[], float] | None = None,
    ) -> models.CreateAck:
        """Send the order exactly once, after waiting at most `max_wait_s` for rate budget.

        `time_left` tells for how many more seconds it may leave; it is the last thing asked before the socket.

        Raises:
            OutcomeUnknown: it may exist. Look for it by its client order id; never send it again.
            PermanentError: the venue refused it in its own words (`order_already_exists`: an earlier send arrived).
            TemporaryError: proof that nothing was created: no connection, no budget, no time left, 429.

        A cancelled caller must treat the order as OutcomeUnknown.
        """
        call = Call("POST", ORDERS_PATH, body=self._order_body(order))
        try:
            response = await self._transport.send(call, max_wait_s=max_wait_s, time_left=time_left)
        except MaybeSent as error:
            raise OutcomeUnknown(str(error), client_order_id=order.client_order_id) from error
        except PermanentError as error:
            if error.code != UNREADABLE:
                raise
            raise OutcomeUnknown(
                f"answered {error.status} in words that are not the exchange's: {error.message}",
                client_order_id=order.client_order_id,
            ) from error
        if response.status >= 500:
            raise OutcomeUnknown(f"the venue answered {response.status}", client_order_id=order.client_order_id)
        try:
            return self._acknowledged(call, order, response)
        except DecodeError as error:
            raise OutcomeUnknown(
                f"the venue answered {response.status} without a complete order: {error}",
                client_order_id=order.client_order_id,
            ) from error

    def _acknowledged(self, call: Call, order: models.CreateOrder, response: Answer) -> models.CreateAck:
        """The venue's word that it has this very order. Raises DecodeError for anything less."""
        if response.content_type != _JSON_TYPE:
            raise DecodeError(call.where, "", f"the answer came as {response.content_type}")
        ack = self._transport.decode(call, response.content, models.CreateAck)
        if not ack.order_id:
            raise DecodeError(call.where, "order_id", "empty")
        if ack.client_order_id not in {None, order.client_order_id}:
            raise DecodeError(call.where, "client_order_id", f"of another order: {ack.client_order_id}")
        if ack.fill_count + ack.remaining_count > order.count:
            counts = (format_count(count) for count in (ack.fill_count, ack.remaining_count, order.count))
            raise DecodeError(call.where, "fill_count", "{} filled and {} open of {}".format(*counts))
        return ack

    async def create_order_group(self, contracts_limit: int, *, exchange_index: int | None = None) -> str:
        """Id of a new group that trips after `contracts_limit` (1/100 contract) filled in 15 s. Sent once.

        A lost answer is a TemporaryError and may leave a group without orders behind: harmless, and seen in
        `order_groups()`.
        """
        body: dict[str, str | int] = {
            "contracts_limit_fp": format_count(contracts_limit),
            "subaccount": self._subaccount,
        }
        if exchange_index is not None:
            body["exchange_index"] = exchange_index
        call = Call("POST", f"{_GROUPS_PATH}/create", body=msgspec.json.encode(body))
        return (await self._transport.once(call, _NewGroup)).order_group_id

    async def delete_order_group(self, group_id: str) -> None:
        """Cancel the group's orders and forget it."""
        call = Call("DELETE", f"{_GROUPS_PATH}/{segment(group_id)}", {"subaccount": self._subaccount})
        await self._transport.retried(call, _Done)

    @property
    def create_order_path(self) -> str:
        """What a Presigner signs ahead: the POST path of `create_order`, from the root."""
        return self._transport.signed_path(ORDERS_PATH)

    def _order_body(self, order: models.CreateOrder) -> bytes:
        body: dict[str, str | int | bool] = {
            "ticker": order.ticker,
            "client_order_id": order.client_order_id,
            "side": order.side,
            "count": format_count(order.count),
            "price": format_price(order.price),
            "time_in_force": order.time_in_force,
            "self_trade_prevention_type": order.self_trade_prevention,
            "subaccount": self._subaccount,
        }
        if order.order_group_id is not None:
            body["order_group_id"] = order.order_group_id
        if order.expiration_ms is not None:
            body["expiration_time"] = order.expiration_ms // 1000
        if order.exchange_index is not None:
            body["exchange_index"] = order.exchange_index
        for flag in ("post_only", "reduce_only", "cancel_order_on_pause"):
            if getattr(order, flag):
                body[flag] = True
        return msgspec.json.encode(body)
