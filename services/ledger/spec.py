"""The policy's halt fields, as people write them: read every 200 ms, acted on by the ledger itself."""

from __future__ import annotations

from pathlib import Path

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


class SpecWatch:
    """Follows one file. A file that does not parse changes nothing and is reported."""

    def __init__(self, app: App[LedgerConfig], desk: Desk, halter: Halter) -> None:
        self._app, self._desk, self._halter = app, desk, halter
        self._path = Path(app.config.spec_file)

    async def run(self) -> None:
        """Until the process stops."""
        while not self._app.stop.is_set():
            self._app.beats.beat("spec")
            try:
                await self.look()
                self._app.status.clear("spec")
            except (OSError, msgspec.DecodeError) as error:
                self._app.status.fault("spec", "BadHaltFields", f"{self._path}: {error}")
            except STORE_ERRORS as error:
                self._app.log.warning("spec-not-applied", error=str(error))
            if await self._app.sleep(LOOK_S):
                return

    def read(self) -> HaltSpec:
        """The fields now. Raises OSError or msgspec.DecodeError."""
        try:
            body = self._path.read_bytes()
        except FileNotFoundError:
            return HaltSpec()
        return msgspec.json.decode(body, type=HaltSpec)

    async def look(self) -> None:
        """Read the file and do the one thing it asks for."""
        spec = self.read()
        async with self._desk.lock:
            self._desk.causes = await self._desk.writer.record.causes()
            await self._act(next_step(spec, self._standing()))
        self._halter.wake.set()

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
                    await self._desk.event("resumed", source=step.cause.source, rule=step.cause.rule, reason=step.note)
            case Refused(halt_id, why):
                text = f"resume {halt_id} refused: {why}"
                if text != self._halter.refusal:
                    self._app.log.warning("resume-refused", cause=halt_id, why=why)
                self._halter.refusal = text
            case None:
                self._halter.refusal = ""
