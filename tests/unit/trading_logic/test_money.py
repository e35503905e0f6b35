import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_logic import money
from trading_logic.money import MoneyError

amounts = st.integers(-money.MAX_EXACT, money.MAX_EXACT)


@given(st.integers(0, money.DOLLAR_PRICE))
def test_a_price_survives_the_wire(price):
    text = money.format_price(price)
    assert len(text) == 6
    assert money.parse_price(text, "p") == price


@given(st.integers(0, 100))
def test_cents_may_be_written_with_two_or_three_decimals(cents):
    text = f"{cents // 100}.{cents % 100:02d}"
    assert money.parse_price(text, "p") == money.parse_price(text + "0", "p") == cents * 100


@given(amounts)
def test_counts_cash_and_fractions_survive_the_wire(value):
    assert money.parse_signed_count(money.format_count(value), "c") == value
    assert money.parse_cash(money.format_cash(value), "c") == value
    if value >= 0:
        assert money.parse_count(money.format_count(value), "c") == value
        assert money.parse_ppm(money.format_fraction(value), "f", most=money.MAX_EXACT) == value


@given(st.integers(0, money.DOLLAR_PRICE), st.integers(0, 10_000_000))
def test_price_times_count_is_cash(price, count):
    # Written as decimals the product has six places, so nothing is rounded.
    left = money.format_price(price).replace(".", "")
    right = money.format_count(count).replace(".", "")
    assert money.format_cash(price * count).replace(".", "").lstrip("0") == str(int(left) * int(right)).lstrip("0")


BAD_EVERYWHERE = [
    "",
    " 1.00",
    "1.00 ",
    "1,00",
    "1e2",
    "+1.00",
    "--1.00",
    ".50",
    "1.",
    "01.00",
    "nan",
    "inf",
    "\u0663.00",
    "1_0.00",
    None,
    1,
    0.5,
    True,
    b"1.00",
    ["1.00"],
    "1.00\n",
    "99999999999999999.00",
    "9999999999999999.00",
]


@pytest.mark.parametrize("bad", BAD_EVERYWHERE)
@pytest.mark.parametrize(
    "parse",
    [money.parse_price, money.parse_count, money.parse_signed_count, money.parse_cash, money.parse_fraction],
)
def test_malformed_values_name_the_field_and_the_value(parse, bad):
    with pytest.raises(MoneyError) as caught:
        parse(bad, "msg.price_dollars")
    assert str(caught.value).startswith(f"msg.price_dollars: {bad!r} is not allowed; allowed: ")
    assert caught.value.field == "msg.price_dollars"


@pytest.mark.parametrize(
    ("parse", "bad"),
    [
        (money.parse_price, "0.4"),
        (money.parse_price, "0.42000"),
        (money.parse_price, "1.0001"),
        (money.parse_price, "-0.42"),
        (money.parse_price, "1"),
        (money.parse_count, "1.001"),
        (money.parse_count, "-1.00"),
        (money.parse_signed_count, "-1.001"),
        (money.parse_cash, "0.0000001"),
        (money.parse_fraction, "1.000001"),
        (money.parse_fraction, "-0.1"),
        (money.parse_fraction, "0.0000001"),
    ],
)
def test_each_kind_keeps_its_own_bounds(parse, bad):
    with pytest.raises(MoneyError):
        parse(bad, "x")


@given(st.text(max_size=12))
def test_no_text_is_read_as_something_it_does_not_say(text):
    try:
        cash = money.parse_cash(text, "x")
    except MoneyError:
        return
    whole, _, rest = text.partition(".")
    assert money.format_cash(cash).lstrip("-") == f"{whole.lstrip('-')}.{rest.ljust(6, '0')}"
    assert text.isascii()


@pytest.mark.parametrize(
    ("cash", "text"),
    [
        (12_340_000, "$12.34"),
        (-50_000, "-$0.05"),
        (0, "$0.00"),
        (-4_999, "$0.00"),
        (-5_000, "-$0.01"),
        (5_000, "$0.01"),
        (1_234_567_890_000, "$1234567.89"),
    ],
)
def test_dollars_for_people(cash, text):
    assert money.format_dollars(cash) == text


def test_fractions_are_shown_as_a_person_writes_them():
    assert [money.format_fraction(x) for x in (250_000, 1_000_000, 0, 1, 100_000)] == [
        "0.25",
        "1",
        "0",
        "0.000001",
        "0.1",
    ]


def test_a_price_outside_the_dollar_is_still_printed_exactly():
    assert money.format_price(-1) == "-0.0001"
    assert money.format_price(10_001) == "1.0001"
