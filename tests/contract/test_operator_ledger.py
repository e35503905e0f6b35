"""The ledger on Kubernetes: with the operator dead, `spec.halt` latches all the same, by a token for one policy."""

from __future__ import annotations

import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from services.exchange.budget import TIERS, Budget
from services.exchange.clock import SystemClock
from services.exchange.rest import ExchangeRest
from services.exchange.signing import Signer
from services.runtime.record import Record
from services.runtime.store import Store
from tests.contract.operating import Bench, bench, until
from tests.fakes.resources import policy
from tests.integration.ledger.conftest import Venue, World, simulator
from trading_logic.contracts import config
from trading_logic.contracts.topics import RecordTopics

pytestmark = [pytest.mark.cluster]
__all__ = ["simulator"]


class OnKubernetes(World):
    namespace = ""

    def config(self) -> config.LedgerConfig:
        return msgspec.structs.replace(super().config(), spec_file="", namespace=self.namespace)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tl-") as made:
        yield Path(made)


@pytest.fixture
def at(redis_url: str) -> Iterator[Bench]:
    with bench(redis_url) as made:
        made.kube.apply(policy())
        yield made


async def test_a_halt_with_the_operator_dead(
    at: Bench, folder: Path, redis_url: str, simulator: Callable[..., Venue], monkeypatch: pytest.MonkeyPatch
) -> None:
    until(lambda: at.kube.replicas("ledger") == [1], 30, "no ledger")
    (account,) = at.kube.children("ledger", "ServiceAccount")
    kubeconfig = folder / "kubeconfig"
    at.write_kubeconfig(kubeconfig, account["metadata"]["name"], at.proxy.port)
    at.kill()
    _only_its_own_policy(at, kubeconfig)

    venue = simulator("--pregame", "900", "--speed", "30", "--tier", "premier")
    clock = SystemClock()
    key_id, key_path = venue.keys[0]
    store = Store(redis_url, "record")
    async with ExchangeRest(
        venue.rest_url, Signer(key_id, key_path.read_bytes()), Budget(TIERS["premier"], clock), clock
    ) as rest:
        world = OnKubernetes(venue, rest, Record(store, RecordTopics(at.kube.namespace, "house")), redis_url, folder)
        world.namespace = at.kube.namespace
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        world.start()
        try:
            await world.ready()
            began = time.monotonic()
            at.kube.merge("RiskPolicy", "house", {"spec": {"halt": True, "haltReason": "no operator"}})
            until(at.latched, 5, "the ledger does not see the patch")
            print(f"patch -> latch by the ledger alone: {(time.monotonic() - began) * 1000:.0f} ms")
            until(lambda: at.redis.hget(at.topics().halt(), "state") == "confirmed", 15, "the halt is not confirmed")

            at.kube.merge("RiskPolicy", "house", {"spec": {"halt": False, "haltReason": ""}})
            until(lambda: not at.latched(), 15, "not resumed")

            # Cut off while somebody halts and the operator latches: what the ledger saw last says "no halt".
            at.proxy.cut()
            at.kube.merge("RiskPolicy", "house", {"spec": {"halt": True}})
            at.latch_manual()
            until(lambda: at.redis.hget(at.topics().halt(), "state") == "confirmed", 15, "the halt is not confirmed")
            time.sleep(2)
            assert at.latched(), "resumed without the API server's word"
            at.kube.merge("RiskPolicy", "house", {"spec": {"halt": False}})
            at.proxy.mend()
            until(lambda: not at.latched(), 15, "not resumed")

            at.kube.merge("RiskPolicy", "house", {"spec": {"halt": True}})
            until(at.latched, 5, "the second halt is missed")
            at.kube.merge("RiskPolicy", "house", {"metadata": {"finalizers": None}})
            at.kube.delete("RiskPolicy", "house")
            time.sleep(2)
            assert at.latched(), "a deleted policy resumed"
        finally:
            world.kill()
            await store.close()


def _only_its_own_policy(at: Bench, kubeconfig: Path) -> None:
    """What the token may and may not."""
    token = next(line.split("token: ")[1] for line in kubeconfig.read_text().splitlines() if "token: " in line)
    at.kube.apply(policy("second"))
    root = f"{at.kube.server}/apis/touchline.dev/v1alpha1/namespaces/{at.kube.namespace}"
    context = ssl.create_default_context(cadata=at.kube.ca)
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, verify=context, timeout=10) as reader:

        def status(path: str) -> int:
            return reader.get(f"{root}/{path}").status_code

        assert status("riskpolicies/house") == 200
        assert status("riskpolicies/second") == status("riskpolicies") == status("tradingstrategies") == 403
