"""Ends a process when the one that started it dies: the other end of an inherited pipe closes."""

from __future__ import annotations

import asyncio
import os

PARENT_FD = "TOUCHLINE_PARENT_FD"
"""Environment variable with the number of the pipe's reading end; absent on Kubernetes, where the kubelet watches."""


def follow(stop: asyncio.Event) -> None:
    """Set `stop` at the end of the pipe. Without the variable there is no parent to follow."""
    text = os.environ.get(PARENT_FD, "")
    if not text:
        return
    fd = int(text)
    # The pipe stays blocking: the flag would be shared with every other reader of it.
    loop = asyncio.get_running_loop()

    def readable() -> None:
        # Nobody writes to the pipe: readable means that its other end is closed.
        if not os.read(fd, 1):
            loop.remove_reader(fd)
            stop.set()

    loop.add_reader(fd, readable)
