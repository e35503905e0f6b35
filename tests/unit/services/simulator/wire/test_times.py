import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.simulator.wire.times import parse_rfc3339, rfc3339


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_781_159_387_354, "2026-06-11T06:29:47.354Z"),
        (1_781_159_387_500, "2026-06-11T06:29:47.5Z"),
        (1_781_159_387_050, "2026-06-11T06:29:47.05Z"),
    ],
)
def test_trailing_zeros_are_trimmed(ms, text):
    assert rfc3339(ms) == text


@given(st.integers(0, 4_000_000_000_000))
def test_round_trip(ms):
    assert parse_rfc3339(rfc3339(ms)) == ms


@pytest.mark.parametrize(
    "text", ["2026-09-01T00:00:00.000000+0000", "2026-09-01T00:00:00Z", "2026-09-01T02:00:00+02:00"]
)
def test_offsets(text):
    assert parse_rfc3339(text) == 1_788_220_800_000


@pytest.mark.parametrize("text", ["", "yesterday", "2026-09-01T00:00:00"])
def test_what_is_no_time(text):
    with pytest.raises(ValueError):
        parse_rfc3339(text)
