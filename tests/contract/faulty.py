"""An HTTP proxy before the API server that answers for it when told to: refusals, errors, watches that end."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from dataclasses import dataclass

import aiohttp
from aiohttp import web

HOP = {"host", "content-length", "transfer-encoding", "connection", "content-encoding"}


@dataclass
class Fault:
    """Answer `status` to the next `times` requests of `method` whose path holds `part`."""

    method: str
    part: str
    status: int
    times: int
    watch: bool = False
    """Only watches; the status comes as an ERROR event inside of the stream."""
    after_s: int = 0
    """Retry-After; 0 for none."""


class FaultyProxy:
    """Runs in a thread; the operator reaches it without TLS."""

    def __init__(self, server: str, ca: str) -> None:
        self._server = server
        self._context = ssl.create_default_context(cadata=ca)
        self.faults: list[Fault] = []
        self.answered: list[int] = []
        """Status of every fault that was given."""
        self.silent = False
        """Watches stay open and bring nothing."""
        self._watches: set[web.StreamResponse] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self.url = ""
        self._thread = threading.Thread(target=self._main, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def drop_watches(self) -> int:
        """Cut every open watch inside of a line; how many there were."""
        return asyncio.run_coroutine_threadsafe(self._drop(), self._loop).result(10)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    def _main(self) -> None:
        self._loop.run_until_complete(self._run())
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        if left:
            self._loop.run_until_complete(asyncio.wait(left))

    async def _drop(self) -> int:
        count = len(self._watches)
        for one in list(self._watches):
            await one.write(b'{"type":"MODI')
            transport = one._req.transport if one._req is not None else None
            if transport is not None:
                transport.close()
        return count

    async def _run(self) -> None:
        async with aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)) as session:
            app = web.Application(client_max_size=2**26)

            async def answer(request: web.Request) -> web.StreamResponse:
                return await self._answer(session, request)

            app.router.add_route("*", "/{path:.*}", answer)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            self.url = f"http://{host}:{port}"
            self._ready.set()
            await self._stop.wait()
            await runner.cleanup()

    def _fault(self, request: web.Request) -> Fault | None:
        watching = request.query.get("watch") == "true"
        for fault in self.faults:
            if (fault.method, fault.watch) == (request.method, watching) and fault.part in request.path and fault.times:
                fault.times -= 1
                self.answered.append(fault.status)
                return fault
        return None

    async def _answer(self, session: aiohttp.ClientSession, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        fault = self._fault(request)
        if fault is not None:
            said = {"kind": "Status", "status": "Failure", "message": "told to fail", "code": fault.status}
            if fault.watch:
                return web.Response(body=json.dumps({"type": "ERROR", "object": said}).encode() + b"\n")
            after = {"Retry-After": str(fault.after_s)} if fault.after_s else {}
            return web.json_response(said, status=fault.status, headers=after)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        url = f"{self._server}{request.rel_url}"
        async with session.request(request.method, url, headers=headers, data=body or None, ssl=self._context) as got:
            kept = {name: value for name, value in got.headers.items() if name.lower() not in HOP}
            answer = web.StreamResponse(status=got.status, headers=kept)
            try:
                await answer.prepare(request)
                if request.query.get("watch") == "true":
                    self._watches.add(answer)
                async for chunk in got.content.iter_any():
                    if not (self.silent and answer in self._watches):
                        await answer.write(chunk)
                await answer.write_eof()
            except (ConnectionError, aiohttp.ClientError):
                return answer
            finally:
                self._watches.discard(answer)
            return answer
