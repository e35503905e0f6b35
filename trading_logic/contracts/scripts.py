"""The Lua that every writer of the record shares, as text: what a call may change has one definition.

The files are part of this package's code; they are read once at import.
"""

from __future__ import annotations

from importlib import resources

_FOLDER = resources.files("trading_logic.contracts") / "lua"


def _load(name: str) -> str:
    return (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")


LATCH = _load("latch")
TAKEOVER = _load("takeover")
RENEW = _load("renew")
CLAIM = _load("claim")
OUTCOME = _load("outcome")
BOOK = _load("book")
GRANT = _load("grant")
