from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_logic.contracts.address import Address, parse, with_file


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://h:1/2", Address("redis://h:1/2")),
        ("redis://me@h:1/2", Address("redis://h:1/2", "me")),
        ("unix:///tmp/x.sock", Address("unix:///tmp/x.sock")),
        ("unix:///tmp/x.sock?db=3&passwordFile=/a/b", Address("unix:///tmp/x.sock?db=3", "", "/a/b")),
        ("rediss://me@h?passwordFile=pw", Address("rediss://h", "me", "pw")),
    ],
)
def test_the_parts_of_an_address(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text", ["redis://:secret@h", "redis://me:secret@h", "redis://h?password=secret", "unix://me:secret@/x"]
)
def test_a_password_is_refused_and_not_shown(text):
    with pytest.raises(ValueError, match="the URL holds a password") as found:
        parse(text)
    assert "secret" not in str(found.value)


def test_an_option_without_a_file_is_refused():
    with pytest.raises(ValueError, match="passwordFile names no file"):
        parse("redis://h?passwordFile=")


@given(path=st.text(min_size=1).map(lambda text: "/" + text), query=st.sampled_from(["", "?db=1"]))
def test_any_path_comes_back(path, query):
    assert parse(with_file(f"redis://h{query}", path)) == Address(f"redis://h{query}", "", path)
    assert with_file("redis://h", "") == "redis://h"
