"""Arguments of `touchline`, exit codes, and errors as one line each."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from touchline_operator.adapters.local.clock import SystemClock
from touchline_operator.cli.errors import BAD_INPUT, OK, CommandError
from trading_logic.contracts.address import parse as parse_address

_FILE_TOO = "; a password stands in a file: URL?passwordFile=PATH"
_UNITS = {"s": 1, "m": 60, "h": 3600, "": 1}


def seconds(text: str) -> float:
    """`60s`, `2m`, `1h` or plain seconds."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smh]?)", text)
    if match is None or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; allowed: such as 60s, 2m, 1h")
    return float(match[1]) * _UNITS[match[2]]


def _positive(text: str) -> str:
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) is None or float(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; allowed: a number above 0")
    return text


def _whole(text: str) -> str:
    if re.fullmatch(r"[0-9]{1,18}", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; allowed: a whole number")
    return text


def _redis_url(text: str) -> str:
    allowed = "redis://HOST:PORT, rediss://HOST:PORT or unix://PATH"
    try:
        parse_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    try:
        parts = urlsplit(text)
        known = parts.scheme in {"redis", "rediss"} and parts.hostname and parts.port != 0
    except ValueError:  # the port is no port
        known = None
    if not known and not text.startswith("unix:///"):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; allowed: {allowed}")
    return text


class _Parser(argparse.ArgumentParser):
    """One line per error, as all commands have it."""

    def error(self, message: str) -> NoReturn:
        # argparse quotes the choices in some versions of Python and not in others.
        message = re.sub(r" \(choose from (.*)\)", lambda found: "; allowed: " + found[1].replace("'", ""), message)
        self.exit(BAD_INPUT, f"touchline: {message}; see {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    made = _Parser(prog="touchline", description="Automated trading of Kalshi sports event contracts.")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    up = commands.add_parser("up", help="trade what the YAML files say, on this machine")
    up.add_argument("files", nargs="+", type=Path, metavar="FILE", help="YAML of strategies and policies")
    up.add_argument("--for", dest="for_s", type=seconds, metavar="TIME", help="stop after this long, such as 60s")
    up.add_argument("--json", action="store_true", help="print one JSON object at the end and nothing else on stdout")
    up.add_argument("--speed", type=_positive, default="60", help="how many times faster the simulated game runs")
    up.add_argument("--seed", type=_whole, default="1", help="one seed, one simulated world")
    up.add_argument("--sim-admin", action="store_true", help="the simulator takes scripted faults at /sim/, for drills")

    get = commands.add_parser("get", help="show strategies and policies")
    get.add_argument("--json", action="store_true")

    halt = commands.add_parser("halt", help="stop a policy: no new order, cancel what rests, executors to zero")
    halt.add_argument("policy", nargs="?", help="may be left out when there is only one")
    halt.add_argument("--reason", default="", help="why, for those who read it later")
    halt.add_argument("--json", action="store_true")
    there = halt.add_argument_group("a policy elsewhere whose API server does not answer; both, and POLICY")
    there.add_argument("--record", type=_redis_url, metavar="URL", help=f"its record Redis{_FILE_TOO}")
    there.add_argument("--namespace", default="", metavar="NAME", help="its namespace")

    resume = commands.add_parser("resume", help="end a halt")
    resume.add_argument("policy", nargs="?", help="may be left out when there is only one")
    resume.add_argument("--halt-id", default="", help="the cause to take away; without it: the manual halt")
    resume.add_argument("--rebaseline", action="store_true", help="accept the day's loss as the new start of the day")
    resume.add_argument("--json", action="store_true")

    why = commands.add_parser("why", help="why a market was or was not traded; for an event: from signals to fills")
    why.add_argument("ticker", metavar="TICKER", help="a market, or an event for its funnel")
    why.add_argument("--run", default="", metavar="STAMP", help="an earlier run, such as 20260917T170000.000")
    why.add_argument("--json", action="store_true")

    flatten = commands.add_parser("flatten", help="sell what a policy or strategy holds: shown first, then confirmed")
    flatten.add_argument("name", nargs="?", metavar="POLICY|STRATEGY", help="may be left out with only one policy")
    flatten.add_argument("--yes", action="store_true", help="sell without asking")
    flatten.add_argument("--for", dest="for_s", type=seconds, default=60.0, metavar="TIME", help="give up after (60s)")
    flatten.add_argument("--json", action="store_true")
    far = flatten.add_argument_group("a policy elsewhere, such as behind kubectl port-forward; all four")
    far.add_argument("--record", type=_redis_url, metavar="URL", help=f"its record Redis{_FILE_TOO}")
    far.add_argument("--bus", type=_redis_url, metavar="URL", help="its bus Redis")
    far.add_argument("--namespace", metavar="NAME", help="its namespace")
    far.add_argument("--feed", metavar="NAME", help="its exchange: simulator, demo or production")

    doctor = commands.add_parser(
        "doctor",
        help="what is wrong, before money is",
        epilog="exit codes: 0 all OK, 1 something is a WARN (or could not be looked at), 2 something is a BLOCK",
    )
    _stores(doctor)

    dead = commands.add_parser("dead", help="entries that no process could handle: list, show, requeue")
    actions = dead.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=_Parser)
    for name, what in (
        ("list", "all of them, oldest first"),
        ("show", "one, with its body decoded"),
        ("requeue", "put one back into its stream; never an intent that is too old"),
    ):
        action = actions.add_parser(name, help=what)
        if name != "list":
            action.add_argument("id", metavar="ID", help="as dead list names it")
        _stores(action)

    commands.add_parser("sim", help="run the simulated exchange alone (see touchline sim --help)", add_help=False)
    return made


def _stores(command: argparse.ArgumentParser) -> None:
    """Arguments of commands that may look at other Redis servers than those of the running `up`."""
    command.add_argument(
        "--bus-url", type=_redis_url, metavar="URL", help="another bus Redis than that of the running up"
    )
    command.add_argument("--record-url", type=_redis_url, metavar="URL", help="another record Redis")
    command.add_argument("--namespace", default="default", help="of the keys in Redis, and on a cluster")
    command.add_argument("--json", action="store_true")


def main(argv: list[str] | None = None) -> int:
    """Entry point: returns the exit code."""
    began_ms = SystemClock().wall_ms()
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["sim"]:
        os.execv(sys.executable, [sys.executable, "-m", "services.simulator", *words[1:]])  # noqa: S606  - our own module
    args = parser().parse_args(words)
    try:
        return _run(args, began_ms)
    except CommandError as error:
        for line in str(error).splitlines():
            sys.stderr.write(f"touchline: {line}\n")
        return error.code
    except BrokenPipeError:
        return OK


def _run(args: argparse.Namespace, began_ms: int) -> int:
    # Each command imports what it needs: `get` and `halt` must be quick.
    match args.command:
        case "up":
            from touchline_operator.cli.up import Options, up  # noqa: PLC0415  - see above

            return up(Options(args.files, args.for_s, args.json, args.speed, args.seed, args.sim_admin), began_ms)
        case "get":
            from touchline_operator.cli.get import get  # noqa: PLC0415  - see above

            return get(as_json=args.json)
        case "halt":
            from touchline_operator.cli.halt import halt, halt_far  # noqa: PLC0415  - see above

            if args.record or args.namespace:
                return halt_far(args.policy, args.record or "", args.namespace, args.reason, as_json=args.json)
            return halt(args.policy, args.reason, as_json=args.json)
        case "resume":
            from touchline_operator.cli.halt import resume  # noqa: PLC0415  - see above

            return resume(args.policy, args.halt_id, rebaseline=args.rebaseline, as_json=args.json)
        case "dead":
            from touchline_operator.cli.dead import DeadWish, dead  # noqa: PLC0415  - see above

            letter = getattr(args, "id", "")
            return dead(
                DeadWish(args.action, letter, args.bus_url or "", args.record_url or "", args.namespace, args.json)
            )
        case "doctor":
            from touchline_operator.cli.doctor import Wish, doctor  # noqa: PLC0415  - see above

            return doctor(Wish(args.bus_url or "", args.record_url or "", args.namespace, args.json))
        case "why":
            from touchline_operator.cli.why import why  # noqa: PLC0415  - see above

            return why(args.ticker, args.run, as_json=args.json)
        case "flatten":
            from touchline_operator.cli.flatten import far_target, flatten, local_target  # noqa: PLC0415  - see above

            place = (args.record, args.bus, args.namespace, args.feed)
            target = far_target(args.name, *place) if any(place) else local_target(args.name)
            return flatten(target, yes=args.yes, for_s=args.for_s, as_json=args.json)
        case command:
            raise ValueError(f"no command {command}")
