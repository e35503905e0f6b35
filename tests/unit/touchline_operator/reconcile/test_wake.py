from __future__ import annotations

import asyncio

import pytest

from tests.fakes.cluster import FakeClock, FakeCluster, FakeRiskFeed
from tests.fakes.resources import policy, strategy
from touchline_operator.desired.platform import Endpoint, Platform
from touchline_operator.reconcile.act import Reconciler
from touchline_operator.reconcile.manager import Manager
from touchline_operator.reconcile.wake import WakeBoard

PLATFORM = Platform("default", "redis://b", "redis://r", endpoints={"Simulator": Endpoint("http://s", "ws://s")})
TURNS = range(5)


def _say_nothing(_what: str, _error: BaseException) -> None:
    return None


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("later", TURNS)
async def test_a_cancelled_wait_ends_cancelled_even_when_it_is_woken_at_that_moment(later):
    board: WakeBoard[str] = WakeBoard()
    waiting = asyncio.create_task(board.wait("a", 60.0))
    await turns(3)
    board.wake("a")
    await turns(later)
    done = waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting], timeout=5)
    assert waiting.cancelled() or done


@pytest.mark.parametrize("later", TURNS)
async def test_a_manager_that_is_cancelled_while_things_change_ends(later):
    cluster, feed, clock = FakeCluster(), FakeRiskFeed(), FakeClock()
    cluster.put(policy())
    cluster.put(strategy())
    manager = Manager(Reconciler(cluster, feed, clock, PLATFORM), clock, _say_nothing, resync_s=60.0)
    running = asyncio.create_task(manager.run())
    async with asyncio.timeout(10):
        while not cluster.replicas("executor"):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)  # past the pause in which a burst of changes is gathered
    manager.wake()
    await turns(later)
    running.cancel()
    ended, _ = await asyncio.wait([running], timeout=5)
    assert ended
    assert running.cancelled()
