"""Alerts of a real ledger to a real HTTP server."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.ledger.webhook import Webhook, WebhookError, client
from services.runtime.store import result
from tests.fakes.receiver import Receiver, receiver
from tests.integration.ledger.conftest import World, until
from trading_logic.contracts import codec, topics
from trading_logic.contracts.messages import Report
from trading_logic.contracts.record import Cause

TOKEN = "a-token-nobody-may-see"


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture
def secret(folder: Path, hook: Receiver) -> Path:
    made = folder / "secret"
    made.mkdir()
    (made / "url").write_text(hook.url + "\n")
    (made / "token").write_text(TOKEN + "\n")
    return made


@pytest.fixture
def alerting(world: World, secret: Path) -> World:
    """A world whose ledger tells the receiver, and whose log is kept."""
    world.webhook_folder = str(secret)
    world.log = world.folder / "ledger.log"
    return world


async def told(hook: Receiver, *events: str, seconds: float = 15) -> None:
    async def same() -> bool:
        return hook.events() == list(events)

    try:
        await until(same, seconds, "")
    except AssertionError:
        raise AssertionError(f"{hook.events()}, wanted {list(events)}") from None


async def state(world: World, wanted: str, seconds: float = 15) -> None:
    async def reached() -> bool:
        return (await world.halt()).get("state") == wanted

    await until(reached, seconds, f"the halt is not {wanted}")


def manual(reason: str) -> Cause:
    return Cause("manual", "Manual", reason, "test", time.time_ns() // 1_000_000)


def metric(world: World, name: str) -> float:
    """A metric of the ledger, from its health socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(world.folder / "health.sock"))
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


async def report(world: World) -> Report:
    body = await result(world.record.store.client.get(topics.report("test", "ledger-house")))
    return codec.Reader(Report).one(body)


async def test_a_halt_its_end_and_the_resume_are_told_once_over_restarts(alerting: World, hook: Receiver) -> None:
    world = alerting
    world.start()
    await world.ready()
    world.spec(halt=True, haltReason="lunch")
    await told(hook, "Halt", "HaltConfirmed")
    world.kill()
    world.start()
    world.spec(halt=False)
    await told(hook, "Halt", "HaltConfirmed", "Resume", seconds=30)
    path, headers, body = hook.got[0]
    assert path == "/services/very-secret-path"
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Content-Type"] == "application/json"
    assert (body["policy"], body["mode"], body["environment"]) == ("house", "Paper", "Simulator")
    assert (body["cause"]["source"], body["cause"]["reason"]) == ("Manual", "lunch")
    assert body["epoch"] == hook.accepted[1]["epoch"] < hook.accepted[2]["epoch"]
    assert hook.accepted[2]["causes"] == []

    # What happens while no ledger lives is told by the next one.
    await world.ready()
    world.kill()
    cause = Cause("cli-1", "Manual", "while dead", "test", time.time_ns() // 1_000_000)
    await world.record.latch(cause, cause.time_ms)
    world.start()
    await told(hook, "Halt", "HaltConfirmed", "Resume", "Halt", "HaltConfirmed", seconds=30)
    assert hook.accepted[3]["cause"]["reason"] == "while dead"
    world.kill(signal.SIGTERM)
    world.start()
    await asyncio.sleep(2)
    assert len(hook.got) == 5, "a restart repeats nothing"
    assert len({body["id"] for _, _, body in hook.got}) == 5


async def test_a_halt_does_not_wait_for_a_receiver_and_no_alert_is_lost_with_it(
    alerting: World, hook: Receiver, secret: Path
) -> None:
    world = alerting
    world.start()
    await world.ready()
    hook.free.clear()
    hook.answer = 500
    world.spec(halt=True, haltReason="receiver hangs")

    async def asked() -> bool:
        return bool(hook.got)

    await until(asked, 10, "nobody is told")
    await state(world, "confirmed")
    assert len(hook.got) == 1, "the first alert still waits for its answer while the halt is over"
    hook.free.set()

    async def failed() -> bool:
        return metric(world, "touchline_alerts_failed_total") == 1

    await until(failed, 20, "no failure is counted")
    assert len(hook.got) == 3

    async def noticed() -> bool:
        return (await report(world)).reason == "AlertNotDelivered"

    await until(noticed, 5, "the failure is not reported")
    noted = await report(world)
    assert noted.ready, "a receiver that is away is no reason not to trade"
    assert "spec.alerts: the receiver answered 500" in noted.message

    # The Secret is mended: tried again at once, in order, under the same ids.
    hook.answer = 204
    (secret / "token").write_text("another-token\n")
    await told(hook, "Halt", "HaltConfirmed")
    assert hook.got[0][2] == hook.accepted[0] | {"time": hook.got[0][2]["time"]}
    assert hook.got[-1][1]["Authorization"] == "Bearer another-token"
    assert metric(world, "touchline_alerts_sent_total") == 2

    async def mended() -> bool:
        return (await report(world)).reason == ""

    await until(mended, 5, "the notice stays")
    world.kill(signal.SIGTERM)
    assert world.log is not None
    log = world.log.read_text()
    assert "alert-not-delivered" in log
    for never in (TOKEN, "another-token", "very-secret-path"):
        assert never not in log


async def test_a_halt_that_is_not_confirmed_is_told_once(alerting: World, hook: Receiver) -> None:
    world = alerting
    world.start()
    await world.ready()
    world.venue.process.send_signal(signal.SIGSTOP)
    try:
        world.spec(halt=True, haltReason="no exchange")
        await told(hook, "Halt", "HaltNotConfirmed", seconds=30)
        assert "the exchange has not answered" in hook.accepted[1]["text"]
        world.kill()
        world.start()
        await asyncio.sleep(2)
    finally:
        world.venue.process.send_signal(signal.SIGCONT)
    await told(hook, "Halt", "HaltNotConfirmed", "HaltConfirmed", seconds=30)


async def test_a_halt_from_before_alerts_were_asked_for_is_told_and_what_is_past_is_not(
    alerting: World, hook: Receiver
) -> None:
    world = alerting
    for reason in ("yesterday", "today"):
        await world.record.latch(manual(reason), time.time_ns() // 1_000_000)
        if reason == "yesterday":
            await world.record.unlatch("manual", time.time_ns() // 1_000_000)
    world.start()
    await told(hook, "Halt", "HaltConfirmed", seconds=30)
    assert hook.accepted[0]["cause"]["reason"] == "today"


async def test_a_bad_secret_is_told_before_the_first_halt_and_does_not_stop_the_ledger(
    alerting: World, hook: Receiver, secret: Path
) -> None:
    world = alerting
    (secret / "url").unlink()
    world.start()
    await world.ready()

    async def noticed() -> bool:
        return (await report(world)).reason == "BadAlertSecret"

    await until(noticed, 10, "the missing file is not told")
    noted = await report(world)
    assert noted.ready
    assert f"{secret}/url does not exist" in noted.message
    (secret / "url").write_text(hook.url)

    async def mended() -> bool:
        return (await report(world)).reason == ""

    await until(mended, 10, "the notice stays")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "url does not exist"),
        ({"url": ""}, "url holds no http:// or https:// URL"),
        ({"url": "ftp://secret.example/x"}, "url holds no http:// or https:// URL"),
        ({"url": "https://secret.example/a b"}, "url holds no http:// or https:// URL"),
        ({"url": "https://secret.example:port/"}, "url holds no http:// or https:// URL"),
        ({"url": "https:///secret"}, "url holds no http:// or https:// URL"),
        ({"url": "https://secret.example", "token": ""}, "token is empty or holds what no HTTP header may"),
        ({"url": "https://secret.example", "token": "secret\nX: y"}, "token is empty or holds what no HTTP header may"),
        ({"url": "https://secret.example", "token": "s\u00e9cret"}, "token is empty or holds what no HTTP header may"),
    ],
)
async def test_a_secret_that_cannot_be_used_is_named_and_never_shown(
    tmp_path: Path, files: dict[str, str], expected: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    async with client() as http:
        with pytest.raises(WebhookError, match=expected) as found:
            await Webhook(tmp_path, http).post(b"{}")
    assert found.value.reason == "BadAlertSecret"
    assert "secret.example" not in str(found.value)


@pytest.mark.parametrize(("status", "expected"), [(302, "answered 302"), (404, "answered 404"), (503, "answered 503")])
async def test_only_a_2xx_is_an_acceptance_and_no_redirect_is_followed(
    secret: Path, hook: Receiver, status: int, expected: str
) -> None:
    hook.answer = status
    async with client() as http:
        with pytest.raises(WebhookError, match=expected):
            await Webhook(secret, http).post(b'{"event": "Halt"}')
    assert len(hook.got) == 1


async def test_a_receiver_that_is_not_there_is_told_without_its_address(
    tmp_path: Path, unused: Callable[[], int]
) -> None:
    (tmp_path / "url").write_text(f"http://127.0.0.1:{unused()}/very-secret-path")
    async with client() as http:
        with pytest.raises(WebhookError, match="not reached: ClientConnectorError") as found:
            await Webhook(tmp_path, http).post(b"{}")
    assert "127.0.0.1" not in str(found.value)
    assert found.value.__cause__ is None


@pytest.fixture
def unused() -> Callable[[], int]:
    def free() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return free
