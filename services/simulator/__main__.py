"""``python -m services.simulator``: a local Kalshi on one port."""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Literal, NoReturn

from services.runtime.memory import settle_memory
from services.simulator.accept_log import AcceptLog
from services.simulator.app import Simulator, wall_ms
from services.simulator.engine.exchange import Exchange
from services.simulator.engine.fees import CENT_MEMBER, DIRECT_MEMBER
from services.simulator.keys import AccountKey, KeyKind, load_or_make
from services.simulator.limits import TIERS
from services.simulator.replay.exchange import RecordedExchange
from services.simulator.replay.player import Replay, ReplaySettings
from services.simulator.replay.tape import BadRecordingError, Tape, load
from services.simulator.venue import build_venue
from services.simulator.world.games import GameInfo, find_games, lines_named, list_games
from services.simulator.world.generate import MOST_INVENTED
from services.simulator.world.sports import BASKETBALL, FOOTBALL, LINES, SPORTS, Line, Sport
from services.simulator.world.world import WorldSettings
from trading_logic.money import MoneyError, parse_cash

DEFAULT_GAME = "KXNFLGAME-25SEP04DALPHI"
_UNUSABLE = 2
Slate = tuple[tuple[str, int, int], ...]
"""(series, games at the start, games in all)."""
MOST_SLATE = 16
"""As many games as are shipped."""
_PRECISION = {"direct": DIRECT_MEMBER, "cent": CENT_MEMBER}
"""A direct member, and one behind a clearing firm."""


class _Parser(argparse.ArgumentParser):
    """One line per error, as `touchline` has it."""

    def error(self, message: str) -> NoReturn:
        self.exit(_UNUSABLE, f"{self.prog}: {message}; see {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    found = _Parser(
        prog="touchline sim",
        description="A local Kalshi that plays recorded NFL games. A restart is a new world with the same keys.",
    )
    found.add_argument("--port", type=_port, default=0, help="0 picks a free port")
    found.add_argument("--host", default="127.0.0.1")
    found.add_argument("--state-dir", type=Path, help="key files and accepts.jsonl are written here")
    found.add_argument("--games", default="", help=f"event tickers or game ids, or all; {DEFAULT_GAME} unless others")
    found.add_argument("--markets", type=_lines, default=("winner",), help="of winner,spread,total; winner always is")
    found.add_argument("--generate", type=_invented, default=(), help="invented games: football:2,basketball:3")
    found.add_argument(
        "--slate", type=_slate, default=(), help="games by series: KXNFLGAME:2:6, 2 at the start, 6 in all"
    )
    found.add_argument("--list-every", type=_pause, default=0.0, help="seconds from one game's listing to the next")
    found.add_argument("--replay", type=Path, help="play a recording: a folder or file of exchange frames")
    found.add_argument("--raw-gaps", action="store_true", help="leave out what the recorder did not write")
    found.add_argument("--paused", action="store_true", help="stand still until POST /sim/clock says otherwise")
    found.add_argument("--list-games", action="store_true", help="print the shipped games and exit")
    found.add_argument("--speed", type=_positive, default=60.0, help="how much faster than real the game runs")
    found.add_argument("--seed", type=int, default=1, help="one seed, one world")
    found.add_argument("--pregame", type=_positive, default=12.0, help="seconds before kickoff")
    found.add_argument("--settlement-seconds", type=int, default=5, help="from result to payout")
    found.add_argument("--tier", choices=sorted(TIERS), default="basic", help="rate limits of every account")
    found.add_argument("--accounts", type=_kinds, default=("rsa", "rsa"), help="one key kind each: rsa,ed25519,rsa")
    found.add_argument("--member", choices=sorted(_PRECISION), default="direct", help="balances to 0.0001 or 0.01")
    found.add_argument("--cash", type=_cash, default=1_000_000_000, help="dollars each account starts with")
    found.add_argument("--admin", action="store_true", help="serve /sim/: accept log, faults, switches, pauses")
    return found


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text} is not a port: 0 to 65535")
    return int(text)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1_000_000:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1,000,000")
    return value


def _pause(text: str) -> float:
    return 0.0 if text == "0" else _positive(text)


def _lines(text: str) -> tuple[Line, ...]:
    for name in text.split(","):
        if name not in LINES:
            raise argparse.ArgumentTypeError(f"{name} is not one of {', '.join(LINES)}")
    return tuple(line for line in LINES if line == "winner" or line in text.split(","))


def _kinds(text: str) -> tuple[KeyKind, ...]:
    found: list[KeyKind] = []
    for name in text.split(","):
        if name == "rsa":
            found.append("rsa")
        elif name == "ed25519":
            found.append("ed25519")
        else:
            raise argparse.ArgumentTypeError(f"{name} is not one of rsa, ed25519")
    return tuple(found)


def _invented(text: str) -> tuple[tuple[str, int], ...]:
    found = []
    for part in text.split(","):
        name, _, count = part.partition(":")
        if name not in SPORTS or not (count.isascii() and count.isdigit()) or not 0 < int(count) <= MOST_INVENTED:
            raise argparse.ArgumentTypeError(f"{part}: wanted {' or '.join(SPORTS)}, a colon, 1 to {MOST_INVENTED}")
        found.append((name, int(count)))
    return tuple(found)


def _slate(text: str) -> Slate:
    """Series, how many of its games are listed at the start, how many there are in all."""
    known = {series for sport in SPORTS.values() for series in sport.series.values()}
    found = []
    for part in text.split(","):
        name, *counts = part.split(":")
        numbers = [int(count) for count in counts if count.isascii() and count.isdigit()]
        if name not in known or len(counts) != 2 or len(numbers) != 2 or not 0 < numbers[0] <= numbers[1] <= MOST_SLATE:
            raise argparse.ArgumentTypeError(
                f"{part}: wanted series:at the start:in all, 1 to {MOST_SLATE}, such as KXNFLGAME:2:6; "
                f"known series: {', '.join(sorted(known))}"
            )
        found.append((name, numbers[0], numbers[1]))
    return tuple(found)


def _cash(text: str) -> int:
    try:
        value = parse_cash(text, "--cash")
    except MoneyError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below zero")
    return value


def _most(slate: Slate, sport: Sport, column: Literal[1, 2]) -> int:
    """The most that any series of a sport asks for: its series list the same games."""
    return max((row[column] for row in slate if row[0] in sport.series.values()), default=0)


def with_slate(games: list[GameInfo], slate: Slate) -> list[GameInfo]:
    """The games that are named, then shipped ones until the slate of football has enough."""
    others = [game for game in list_games() if game not in games]
    return games + others[: _most(slate, FOOTBALL, 2)]


def invented_of(slate: Slate) -> tuple[tuple[str, int], ...]:
    """Basketball games of a slate: none are shipped."""
    wanted = _most(slate, BASKETBALL, 2)
    return ((BASKETBALL.name, wanted),) if wanted else ()


def at_once(slate: Slate, games: list[GameInfo]) -> dict[str, int]:
    """Sport -> games listed at the start; named ones all are. Empty without a slate."""
    if not slate:
        return {}
    named = len(games) - _most(slate, FOOTBALL, 2)
    return {FOOTBALL.name: named + _most(slate, FOOTBALL, 1), BASKETBALL.name: _most(slate, BASKETBALL, 1)}


async def run(
    options: argparse.Namespace, games: list[GameInfo], keys: list[AccountKey], tape: Tape | None = None
) -> None:
    """Serve until SIGTERM or SIGINT; raises ``OSError`` when the port or the log cannot be opened."""
    log = AcceptLog(options.state_dir, wall_ms)
    named = lines_named(options.games, (series for series, _, _ in options.slate))
    settings = WorldSettings(
        seed=options.seed,
        speed=options.speed,
        pregame_s=options.pregame,
        settlement_s=options.settlement_seconds,
        lines=tuple(line for line in LINES if line in options.markets or line in named),
        generate=options.generate + invented_of(options.slate),
        at_once=at_once(options.slate, games),
        list_every_s=options.list_every,
        exchange=Exchange if tape is None else RecordedExchange,
    )
    try:
        venue = build_venue(
            settings, games, keys, log, cash=options.cash, tier=options.tier, wall_ms=wall_ms,
            precision=_PRECISION[options.member],
        )  # fmt: skip
        replay = None if tape is None else Replay(tape, venue.world, _replayed(options))
        if options.paused:
            venue.world.schedule.set_pace(venue.advance(), paused=True)
        simulated = Simulator(venue, host=options.host, port=options.port, admin=options.admin, replay=replay)
        async with simulated as simulator:
            stop = asyncio.Event()
            loop = asyncio.get_running_loop()
            for name in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(name, stop.set)
            accounts = [{"key_id": key.key_id, "private_key_path": str(key.private_key_path)} for key in keys]
            ready = {"rest_url": simulator.rest_url, "ws_url": simulator.ws_url, "accounts": accounts}
            settle_memory()
            sys.stdout.write(json.dumps(ready) + "\n")
            sys.stdout.flush()
            stopped = asyncio.create_task(stop.wait())
            done, _ = await asyncio.wait({stopped, simulator.clock}, return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()
            if simulator.clock in done:
                simulator.clock.result()
    finally:
        log.close()


def _replayed(options: argparse.Namespace) -> ReplaySettings:
    return ReplaySettings(
        speed=options.speed,
        wait_s=options.pregame,
        raw_gaps=options.raw_gaps,
        settlement_s=options.settlement_seconds,
    )


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 after a clean stop, 2 when something given cannot be used."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    found = parser()
    options = found.parse_args(arguments)
    if options.list_games:
        for game in list_games():
            sys.stdout.write(f"{game.event_ticker}  {game.game_id}  {game.day}  {game.away} at {game.home}\n")
        return 0
    if options.state_dir is None:
        found.error("--state-dir is required")
    options.state_dir = options.state_dir.absolute()
    try:
        other = options.replay is not None or options.generate or options.slate
        games = find_games(options.games or DEFAULT_GAME) if options.games or not other else []
        games = with_slate(games, options.slate)
        tape = None if options.replay is None else load(options.replay)
        keys = load_or_make(options.state_dir, options.accounts)
        asyncio.run(run(options, games, keys, tape))
    except (LookupError, OSError, BadRecordingError) as error:
        sys.stderr.write(f"touchline sim: {_reason(error, options)}\n")
        return _UNUSABLE
    return 0


def _reason(error: Exception, options: argparse.Namespace) -> str:
    if isinstance(error, OSError) and error.errno is not None and error.filename is None:
        return f"cannot listen on {options.host}:{options.port}: {os.strerror(error.errno)}; choose another --port or 0"
    return str(error)


if __name__ == "__main__":
    sys.exit(main())
