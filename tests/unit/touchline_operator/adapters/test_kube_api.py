"""How often a request is sent again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.cluster import FakeClock
from touchline_operator.adapters.kubernetes import api
from touchline_operator.adapters.kubernetes.api import AwayError, KubeApi


class Refusing(KubeApi):
    """Answers every request with the same error."""

    def __init__(self, after_s: float) -> None:
        self._clock = FakeClock()
        self.after_s, self.asked = after_s, 0

    async def _once(self, *_: Any) -> Any:
        self.asked += 1
        error = AwayError("429")
        error.after_s = self.after_s
        raise error


@pytest.mark.parametrize(("after_s", "asked"), [(0.0, api.TRIES), (2.0, 1)])
async def test_a_server_that_asks_to_be_left_alone_is_left_to_the_loops(
    monkeypatch: pytest.MonkeyPatch, after_s: float, asked: int
) -> None:
    monkeypatch.setattr(api, "RETRY_FIRST_S", 0.0)
    refusing = Refusing(after_s)
    with pytest.raises(AwayError) as caught:
        await refusing.read("/version", {})
    assert (refusing.asked, caught.value.after_s) == (asked, after_s)
