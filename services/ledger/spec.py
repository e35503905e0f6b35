"""The policy's halt fields, as people write them: followed, and acted on by the ledger itself."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec

from services.ledger.desk import Desk
from services.ledger.halting import Halter
from services.ledger.resume import Halting, HaltSpec, Refused, Resuming, Standing, next_step
from services.runtime.app import App
from services.runtime.store import STORE_ERRORS
from trading_logic.contracts.config import LedgerConfig
from trading_logic.contracts.record import MANUAL_CAUSE, Cause
from trading_logic.risk.drawdown import trading_day

LOOK_S = 0.2


class HaltSource(Protocol):
    """Where the halt fields stand. None means that they are not known: then nothing is latched and nothing resumed."""

    where: str
    """Its name, for people."""

    async def read(self) -> HaltSpec | None:
        """The fields as last seen. Raises OSError or msgspec.DecodeError when they cannot be read."""

    async def fresh(self) -> HaltSpec | None:
        """The fields as they are now, asked at their origin: what a resume needs."""

    async def wait(self, seconds: float) -> None:
        """Return at a change, at the latest after `seconds`."""


class FileSource:
    """A file that the local operator writes; an absent one means that none of the fields is set."""

    def __init__(self, app: App[LedgerConfig], path: Path) -> None:
        self._app, self._path = app, path
        self.where = str(path)

    async def read(self) -> HaltSpec:
        try:
            body = self._path.read_bytes()
        except FileNotFoundError:
            return HaltSpec()
        return msgspec.json.decode(body, type=HaltSpec)

    async def fresh(self) -> HaltSpec:
        return await self.read()

    async def wait(self, seconds: float) -> None:
        await self._app.sleep(seconds)


class SpecWatch:
    """Follows one source. Fields that do not parse change nothing and are reported."""

    def __init__(self, app: App[LedgerConfig], desk: Desk, halter: Halter, source: HaltSource) -> None:
        self._app, self._desk, self._halter, self._source = app, desk, halter, source

    async def run(self) -> None:
        """Until the process stops."""
        while not self._app.stop.is_set():
            self._app.beats.beat("spec")
            try:
                await self.look()
                self._app.status.clear("spec")
            except (OSError, msgspec.DecodeError) as error:
                self._app.status.fault("spec", "BadHaltFields", f"{self._source.where}: {error}")
            except STORE_ERRORS as error:
                self._app.log.warning("spec-not-applied", error=str(error))
            await self._source.wait(LOOK_S)

    async def look(self) -> None:
        """Read the fields and do the one thing they ask for."""
        spec = await self._source.read()
        if spec is None:
            return
        if not await self._do(spec, certain=False):
            # What was seen last may be old: a watch can be cut off while somebody halts. Only the origin resumes.
            spec = await self._source.fresh()
            if spec is not None:
                await self._do(spec, certain=True)
        self._halter.wake.set()

    async def _do(self, spec: HaltSpec, *, certain: bool) -> bool:
        """The one thing that `spec` asks for; False when it is a resume and `spec` is not certain."""
        async with self._desk.lock:
            self._desk.causes = await self._desk.writer.record.causes()
            step = next_step(spec, self._standing())
            if isinstance(step, Resuming) and not certain:
                return False
            await self._act(step)
        return True

    def _standing(self) -> Standing:
        desk, rule = self._desk, self._app.config.trading_day
        return Standing(
            causes=desk.causes,
            halt_confirmed=self._halter.confirmed,
            unclean=desk.reading.unclean,
            track=desk.track,
            day=desk.day(),
            days={id_: trading_day(c.time_ms, rule.time_zone, rule.starts_at) for id_, c in desk.causes.items()},
            resumed=desk.resumed,
        )

    async def _act(self, step: Halting | Resuming | Refused | None) -> None:
        wall = self._app.clock.wall_ms()
        match step:
            case Halting(reason):
                await self._desk.latch(Cause(MANUAL_CAUSE, "Manual", reason, self._app.config.process, wall))
            case Resuming():
                await self._desk.rebase(step.track, accept_cash=step.accept_cash, once=step.once)
                await self._desk.writer.record.unlatch(step.cause.id, wall)
                self._desk.causes.pop(step.cause.id, None)
                self._halter.refusal = ""
                self._app.log.warning("resumed", cause=step.cause.id, note=step.note)
                if step.note:
                    await self._desk.event("rebased", source=step.cause.source, rule=step.cause.rule, reason=step.note)
            case Refused(halt_id, why):
                text = f"resume {halt_id} refused: {why}"
                if text != self._halter.refusal:
                    self._app.log.warning("resume-refused", cause=halt_id, why=why)
                self._halter.refusal = text
            case None:
                self._halter.refusal = ""
