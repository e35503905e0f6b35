"""`touchline halt --record`: the latch of a policy elsewhere, written without its API server."""

from __future__ import annotations

import json

import pytest
import redis

from touchline_operator.cli import halt as command
from touchline_operator.cli import main
from trading_logic.contracts.record import HaltState
from trading_logic.contracts.topics import RecordTopics

NAMES = RecordTopics("trading", "house")
FAR = ("--namespace", "trading", "--record")


def record_of(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, decode_responses=True)


def test_it_latches_and_says_what_the_ledger_there_confirmed(redis_url: str, monkeypatch, capsys):
    monkeypatch.setattr(command, "HALT_WAIT_S", 0.3)
    with record_of(redis_url) as there:
        there.set(NAMES.incarnation(), "first")
        assert main(["halt", "house", *FAR, redis_url, "--reason", "the API server is gone", "--json"]) == 1
        late = json.loads(capsys.readouterr().out)
        assert "does its ledger run?" in late["message"]
        (cause,) = map(json.loads, there.hvals(NAMES.latch()))
        assert (cause["source"], cause["reason"]) == ("Manual", "the API server is gone")
        # What the ledger writes at the end of the halt, read by the second call of somebody who is not sure.
        state = HaltState(int(there.get(NAMES.epoch())), 1, 0, "confirmed", 2, "")
        there.hset(NAMES.halt(), mapping={field: str(getattr(state, field)) for field in state.__struct_fields__})
        assert main(["halt", "house", *FAR, redis_url]) == 0
    assert "halted: nothing rests" in capsys.readouterr().out


def test_a_name_that_nobody_trades_under_is_refused_and_latches_nothing(redis_url: str, capsys):
    assert main(["halt", "huose", *FAR, redis_url]) == 2
    assert "no ledger of a RiskPolicy huose in namespace trading" in capsys.readouterr().err
    with record_of(redis_url) as there:
        assert there.keys() == []


@pytest.mark.parametrize("words", [["--record", "redis://x"], ["house", "--record", "redis://x"], ["--namespace", "n"]])
def test_half_an_address_is_refused(words: list[str], capsys):
    assert main(["halt", *words]) == 2
    assert "POLICY, --record URL, --namespace NAME" in capsys.readouterr().err


def test_a_record_that_does_not_answer_is_named(capsys):
    assert main(["halt", "house", *FAR, "redis://127.0.0.1:1/0"]) == 1
    assert "redis://127.0.0.1:1/0" in capsys.readouterr().err
