"""The kubelet's part on one machine: asks a process' health endpoint on its Unix socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

TIMEOUT_S = 3.0


async def answers(socket: Path, path: str) -> bool | None:
    """True for a 2xx, False for another answer or none in time, None when nobody listens (yet)."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: local\r\nConnection: close\r\n\r\n".encode())
                line = await reader.readline()
            finally:
                writer.close()
    except TimeoutError:
        return False
    except OSError:
        return None
    parts = line.split()
    return len(parts) > 1 and parts[1].startswith(b"2")
