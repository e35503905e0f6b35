"""Keys that change while a process runs: tried on a read call first, adopted only when the venue takes them."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from services.exchange.errors import DecodeError, KeyFileError, PermanentError, TemporaryError
from services.exchange.keys import KeySource
from services.exchange.reads import ExchangeReads
from services.runtime.app import App
from trading_logic.contracts.config import Exchange, Process

CHECK_S = 5.0
C = TypeVar("C", bound=Process)


async def first_key(app: App[C], files: Exchange) -> KeySource | None:
    """The key of these files; waits for a usable one, because a Secret may be mended in place. None when stopped."""
    while not app.stop.is_set():
        app.beats.beat("key")
        try:
            keys = KeySource(Path(files.key_id_file), Path(files.private_key_file), require_private=False)
        except KeyFileError as error:
            if app.status.fault_is_new("key", "BadKey"):
                app.log.error("bad-key", error=str(error))
            app.status.fault("key", "BadKey", str(error), spec=True)
            await app.sleep(2.0)
            continue
        app.status.clear("key")
        app.beats.done("key")
        return keys
    return None


async def follow_key(
    app: App[C], keys: KeySource, reads: ExchangeReads, adopted: Callable[[], Awaitable[None]]
) -> None:
    """Until the process stops. `adopted` renews what was made with the old key. A refused key is reported, not used."""
    while not await app.sleep(CHECK_S):
        app.beats.beat("key", within_ms=60_000)
        try:
            changed = await keys.refresh(reads.try_key)
        except TemporaryError as error:
            app.log.warning("new-key-not-tried", error=str(error))
        except (KeyFileError, PermanentError, DecodeError) as error:
            app.log.error("new-key-refused", error=str(error))
            app.status.fault("key", "NewKeyRefused", f"the changed key is not used: {error}")
        else:
            if changed:
                app.status.clear("key")
                app.log.info("new-key", key_id=keys.key_id)
                await adopted()
    app.beats.done("key")
