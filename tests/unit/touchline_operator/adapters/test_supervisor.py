from __future__ import annotations

import asyncio
import signal
import time

from touchline_operator.adapters.local.supervisor import tell


async def test_a_signal_to_a_child_that_has_ended_leaves_its_exit_code(caplog):
    child = await asyncio.create_subprocess_exec("/bin/sh", "-c", "exit 7")
    time.sleep(0.3)  # it ends while nobody looks
    tell(child, signal.SIGTERM)
    assert await child.wait() == 7
    tell(child, signal.SIGKILL)
    assert caplog.records == []


async def test_a_signal_reaches_a_child_that_lives():
    child = await asyncio.create_subprocess_exec("/bin/sleep", "60")
    tell(child, signal.SIGTERM)
    assert await child.wait() == -signal.SIGTERM
