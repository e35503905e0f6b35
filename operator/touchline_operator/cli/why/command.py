"""`touchline why TICKER [--run STAMP]`: reads what the run wrote; needs nothing that still runs."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from touchline_operator.adapters.local.clock import SystemClock
from touchline_operator.adapters.local.evidence import Evidence, EvidenceError, read_evidence
from touchline_operator.adapters.local.folder import Folder, FolderError
from touchline_operator.cli.errors import BAD_INPUT, OK, CommandError
from touchline_operator.cli.render import show
from touchline_operator.cli.why.answer import EventAnswer, MarketAnswer, event_answer, market_answer, tickers
from touchline_operator.cli.why.sections import event_sections, market_sections


def why(ticker: str, stamp: str, *, as_json: bool) -> int:
    """Explain a market, or a game as a funnel. Raises CommandError for what is not known here."""
    folder = Folder(Path.cwd())
    try:
        run = folder.run_folder(stamp)
        running = folder.running() is not None and run == folder.run_folder("")
        found = read_evidence(run)
    except FolderError as error:
        raise CommandError(str(error), BAD_INPUT if stamp else 1) from error
    except EvidenceError as error:
        raise CommandError(str(error)) from error
    answer = explain(found, ticker, running=running, now_ms=SystemClock().wall_ms())
    if as_json:
        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    elif isinstance(answer, EventAnswer):
        show(event_sections(answer, found.catalog.get(ticker)))
    else:
        show(market_sections(answer, found.catalog[answer.event]))
    return OK


def explain(found: Evidence, ticker: str, *, running: bool, now_ms: int) -> MarketAnswer | EventAnswer:
    """The answer to a ticker. Raises CommandError naming the known ones."""
    known = tickers(found)
    if ticker not in known:
        names = ", ".join(known) or "none: it ended before the catalog was read"
        raise CommandError(f"why: {ticker} is no event or market of run {found.stamp}; known: {names}", BAD_INPUT)
    if ticker in found.catalog or ticker in {desk.event for desk in found.desks.values()}:
        return event_answer(found, ticker, running=running, now_ms=now_ms)
    return market_answer(found, ticker, running=running, now_ms=now_ms)
