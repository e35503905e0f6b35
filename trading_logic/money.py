"""Integer money and the strings it crosses the wire as.

One unit per kind, chosen so that ``price * count == cash`` exactly:

========  =======================  ==================
Alias     Unit                     One of it is
========  =======================  ==================
Price     1/10,000 dollar          ``DOLLAR_PRICE``
Count     1/100 contract           ``ONE_CONTRACT``
Cash      1/1,000,000 dollar       ``DOLLAR_CASH``
Ppm       parts per million        ``ONE_PPM``
========  =======================  ==================

Nothing here uses ``float`` or ``Decimal``. Parsers take what the wire carries and raise :class:`MoneyError`
for everything else; they never guess a default.
"""

import re
from typing import Final, TypeAlias

Price: TypeAlias = int
Count: TypeAlias = int
Cash: TypeAlias = int
Ppm: TypeAlias = int

DOLLAR_PRICE: Final = 10_000
ONE_CONTRACT: Final = 100
DOLLAR_CASH: Final = 1_000_000
CENT_CASH: Final = 10_000
ONE_PPM: Final = 1_000_000

# Redis scripts and JSON readers hold numbers as doubles: past 2**53 they would silently lose units.
MAX_EXACT: Final = 2**53 - 1

_DECIMAL: Final = re.compile(r"(-?)(0|[1-9][0-9]{0,15})(?:\.([0-9]+))?", re.ASCII)

# Every legal four-digit price string, because market data parses two of them per frame.
_PRICE_OF: Final[dict[str, Price]] = {
    f"{price // DOLLAR_PRICE}.{price % DOLLAR_PRICE:04d}": price for price in range(DOLLAR_PRICE + 1)
}
_TEXT_OF: Final[tuple[str, ...]] = tuple(_PRICE_OF)


class MoneyError(ValueError):
    """A value that is not money of the wanted kind: names the field, the value and what is allowed."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        """Say which ``field`` held which ``value`` and what would have been ``allowed``."""
        super().__init__(f"{field}: {value!r} is not allowed; allowed: {allowed}")
        self.field = field
        self.value = value
        self.allowed = allowed


def _scaled(text: object, field: str, *, least: int, most: int, signed: bool, allowed: str) -> int:
    """Read a plain decimal string with ``least`` to ``most`` decimals as an integer of ``10**-most``."""
    if not isinstance(text, str):
        raise MoneyError(field, text, allowed)
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise MoneyError(field, text, allowed)
    sign, whole, decimals = match[1], match[2], match[3] or ""
    if (sign and not signed) or not least <= len(decimals) <= most:
        raise MoneyError(field, text, allowed)
    value = int(whole + decimals.ljust(most, "0"))
    if value > MAX_EXACT:
        raise MoneyError(field, text, allowed)
    return -value if sign else value


_PRICE_ALLOWED: Final = 'a string from "0.0000" to "1.0000" with 2 to 4 decimals'


def parse_price(text: object, field: str) -> Price:
    """Price of a wire string such as ``"0.42"`` or ``"0.4200"``; 0 and 1 dollar included (an empty side)."""
    if isinstance(text, str):
        known = _PRICE_OF.get(text)
        if known is not None:
            return known
    price = _scaled(text, field, least=2, most=4, signed=False, allowed=_PRICE_ALLOWED)
    if price > DOLLAR_PRICE:
        raise MoneyError(field, text, _PRICE_ALLOWED)
    return price


def parse_count(text: object, field: str) -> Count:
    """Count of a wire string such as ``"10"`` or ``"7.77"``: not negative, at most 2 decimals."""
    return _scaled(
        text,
        field,
        least=0,
        most=2,
        signed=False,
        allowed='a string like "10.00", not negative, 0 to 2 decimals',
    )


def parse_signed_count(text: object, field: str) -> Count:
    """Count with a direction (a position, a book delta): ``"-3.00"`` is minus three contracts."""
    return _scaled(text, field, least=0, most=2, signed=True, allowed='a string like "-3.00", 0 to 2 decimals')


def parse_cash(text: object, field: str) -> Cash:
    """Cash of a wire string such as ``"0.017500"`` or ``"-12.5"``: signed, at most 6 decimals."""
    return _scaled(text, field, least=0, most=6, signed=True, allowed='a string like "12.345678", 0 to 6 decimals')


def parse_ppm(text: object, field: str, *, most: Ppm) -> Ppm:
    """Parts per million of a decimal string from 0 to ``most``, at most 6 decimals."""
    allowed = f'a string from "0" to "{format_fraction(most)}" with at most 6 decimals'
    value = _scaled(text, field, least=0, most=6, signed=False, allowed=allowed)
    if value > most:
        raise MoneyError(field, text, allowed)
    return value


def parse_fraction(text: object, field: str) -> Ppm:
    """Parts per million of a fraction of one: ``"0.25"`` is 250,000."""
    return parse_ppm(text, field, most=ONE_PPM)


def _decimal(value: int, places: int) -> str:
    whole, rest = divmod(abs(value), 10**places)
    return f"{'-' if value < 0 else ''}{whole}.{rest:0{places}d}"


def format_price(price: Price) -> str:
    """Wire string with four decimals: ``4200`` is ``"0.4200"``."""
    if 0 <= price <= DOLLAR_PRICE:
        return _TEXT_OF[price]
    return _decimal(price, 4)


def format_count(count: Count) -> str:
    """Wire string with two decimals: ``1000`` is ``"10.00"``."""
    return _decimal(count, 2)


def format_cash(cash: Cash) -> str:
    """Wire string with six decimals: ``17500`` is ``"0.017500"``."""
    return _decimal(cash, 6)


def format_fraction(ppm: Ppm) -> str:
    """Shortest decimal string, as a person writes it in a limit: ``250000`` is ``"0.25"``."""
    return _decimal(ppm, 6).rstrip("0").rstrip(".")


def format_dollars(cash: Cash) -> str:
    """Dollars and cents for people, halves away from zero: ``"$12.34"``, ``"-$0.05"``."""
    cents = (abs(cash) + CENT_CASH // 2) // CENT_CASH
    return f"{'-' if cash < 0 and cents else ''}${_decimal(cents, 2)}"
