from __future__ import annotations

import asyncio

from touchline_operator.reconcile.lane import Lane


async def order(lane: Lane[str], keys: str, *, gone: str = "") -> list[str]:
    """In what order the keys get their place, when all but the first find it taken."""
    seen: list[str] = []

    async def one(key: str) -> None:
        async with lane.place(key):
            seen.append(key)
            await asyncio.sleep(0)

    tasks = {key: asyncio.create_task(one(key)) for key in keys}
    await asyncio.sleep(0)
    for key in gone:
        tasks[key].cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    return seen


async def test_first_come_first_served() -> None:
    assert await order(Lane(1, frozenset), "abcd") == list("abcd")


async def test_who_presses_goes_before_who_came_first() -> None:
    assert await order(Lane(1, lambda: {"d"}), "abcd") == list("adbc")


async def test_who_gives_up_waiting_takes_no_place_with_him() -> None:
    lane: Lane[str] = Lane(1, frozenset)
    assert await order(lane, "abcd", gone="bc") == list("ad")
    assert await order(lane, "xy") == list("xy")


async def test_no_more_than_the_places_at_once() -> None:
    lane: Lane[int] = Lane(3, frozenset)
    inside, most = 0, 0

    async def one(key: int) -> None:
        nonlocal inside, most
        async with lane.place(key):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(one(key) for key in range(20)))
    assert most == 3
