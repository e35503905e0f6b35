"""What `touchline doctor` reads of a Redis: settings, server figures, leases, books. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from redis.exceptions import ResponseError

from touchline_operator.adapters.redis import AWAY, RedisRiskFeed, connect, done
from touchline_operator.ports import RecordUnreachableError
from trading_logic.contracts import codec, topics
from trading_logic.contracts.messages import CatalogEntry, TopOfBook


async def server(url: str, keys: Sequence[str]) -> tuple[dict[str, str] | None, dict[str, str]]:
    """The settings (None: the server does not tell) and INFO. Raises RecordUnreachableError."""
    client = connect(url)
    try:
        info = await done(client.info())
        try:
            pairs = [await done(client.config_get(key)) for key in keys]
        except ResponseError:  # a managed Redis without CONFIG
            return None, _texts(info)
        return {str(k): str(v) for pair in pairs for k, v in pair.items()}, _texts(info)
    except AWAY as error:
        raise RecordUnreachableError(f"{url}: {error}") from error
    finally:
        await client.aclose()


def _texts(info: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in info.items()}


async def leases(feed: RedisRiskFeed, namespace: str, policy: str, strategies: Sequence[str]) -> list[int]:
    """Milliseconds left of the ledger's lease, the trading lease, and each strategy's writer lease, in this order."""
    names = topics.RecordTopics(namespace, policy)
    pipe: Any = feed.record.pipeline(transaction=True)
    for key in (names.ledger_lease(), names.trading_lease(), *map(names.writer_lease, strategies)):
        pipe.pttl(key)
    try:
        return [int(left) for left in await pipe.execute()]
    except AWAY as error:
        raise RecordUnreachableError(f"record Redis: {error}") from error


async def event(
    feed: RedisRiskFeed, namespace: str, name: str, ticker: str
) -> tuple[CatalogEntry | None, list[TopOfBook]]:
    """The catalog entry and the tops of one event of feed `name`. Raises RecordUnreachableError."""
    names = topics.MarketDataTopics(namespace, name)
    try:
        body = await done(feed.bus.get(names.catalog(ticker)))
        tops = await done(feed.bus.hvals(names.tops(ticker)))
        reader = codec.Reader(TopOfBook)
        return (codec.Reader(CatalogEntry).one(body) if body else None), [reader.one(top) for top in tops]
    except AWAY as error:
        raise RecordUnreachableError(f"bus Redis: {error}") from error
    except codec.CodecError as error:
        raise RecordUnreachableError(f"bus Redis: {ticker} is not readable: {error}") from error
