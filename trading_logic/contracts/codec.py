"""Bytes of messages: msgpack, one envelope per stream entry that carries a batch.

A batch is one entry because the engine's cost is per entry, not per byte: at a burst ingest sends what it has in one
XADD. The first byte is the version, so that a reader of another age refuses the entry instead of misreading it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec

from trading_logic.contracts.messages import VERSION, MarketData, Message

FIELD = b"m"
"""The one field of every stream entry."""

JSON_FIELD = b"j"
"""The field of entries that Lua writes (orders, risk events): JSON of one message."""

M = TypeVar("M", bound=Message)

_encoder = msgspec.msgpack.Encoder()
_HEAD = bytes([VERSION])


class CodecError(ValueError):
    """Bytes that are not a message of this version."""


def encode(message: Message) -> bytes:
    """One message with its version."""
    return _HEAD + _encoder.encode(message)


def encode_batch(messages: Sequence[Message]) -> bytes:
    """Several messages of one kind with their version."""
    return _HEAD + _encoder.encode(messages)


def _body(data: bytes) -> memoryview:
    if not data:
        raise CodecError("empty message")
    if data[0] != VERSION:
        raise CodecError(f"message version {data[0]}: this process reads version {VERSION}")
    return memoryview(data)[1:]


class Reader(Generic[M]):
    """Decoder of one message type, single and in batches. Raises CodecError with the field that is wrong."""

    def __init__(self, kind: type[M]) -> None:
        self._one = msgspec.msgpack.Decoder(kind)
        self._json = msgspec.json.Decoder(kind)
        self._many = msgspec.msgpack.Decoder(list[kind])  # type: ignore[valid-type]  # msgspec reads it at run time

    def one(self, data: bytes) -> M:
        try:
            return self._one.decode(_body(data))
        except msgspec.MsgspecError as error:
            raise CodecError(str(error)) from error

    def batch(self, data: bytes) -> list[M]:
        try:
            return self._many.decode(_body(data))
        except msgspec.MsgspecError as error:
            raise CodecError(str(error)) from error

    def json(self, data: bytes) -> M:
        """One message that Lua wrote."""
        try:
            return self._json.decode(data)
        except msgspec.MsgspecError as error:
            raise CodecError(str(error)) from error


_market_data = msgspec.msgpack.Decoder(list[MarketData])


def decode_market_data(data: bytes) -> list[MarketData]:
    """A batch of an md stream entry; raises CodecError."""
    try:
        return _market_data.decode(_body(data))
    except msgspec.MsgspecError as error:
        raise CodecError(str(error)) from error
