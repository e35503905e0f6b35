"""Everything the operator reads of Kubernetes, kept up to date by one watch per kind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from touchline_operator import names
from touchline_operator.adapters.kubernetes.api import KubeApi, Resource
from touchline_operator.adapters.kubernetes.pods import PodStore
from touchline_operator.adapters.kubernetes.reflector import Reflector
from touchline_operator.adapters.kubernetes.store import Store
from touchline_operator.ports import Clock, ClusterError

Object = dict[str, Any]

CUSTOM: Final = {
    "TradingStrategy": Resource("TradingStrategy", names.GROUP, names.VERSION, "tradingstrategies"),
    "RiskPolicy": Resource("RiskPolicy", names.GROUP, names.VERSION, "riskpolicies"),
}
OWNED: Final = {
    "Deployment": Resource("Deployment", "apps", "v1", "deployments"),
    "ConfigMap": Resource("ConfigMap", "", "v1", "configmaps"),
    "ServiceAccount": Resource("ServiceAccount", "", "v1", "serviceaccounts"),
    "Role": Resource("Role", "rbac.authorization.k8s.io", "v1", "roles"),
    "RoleBinding": Resource("RoleBinding", "rbac.authorization.k8s.io", "v1", "rolebindings"),
    "NetworkPolicy": Resource("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies"),
}
POD: Final = Resource("Pod", "", "v1", "pods")
SELECTOR: Final = f"{names.MANAGED_BY}={names.FIELD_MANAGER}"

Changed = Callable[[Object], None]
Complain = Callable[[str, BaseException], None]


class Mirror:
    """Stores of both kinds and of all that we own, in one namespace or in all (`namespace` "")."""

    def __init__(self, api: KubeApi, clock: Clock, namespace: str, changed: Changed, complain: Complain) -> None:
        self.pods = PodStore()
        self._stores = {kind: Store() for kind in (*CUSTOM, *OWNED)}
        self._reflectors = [
            Reflector(api, clock, resource, namespace, selector, changed, complain, self._stores[resource.kind])
            for resources, selector in ((CUSTOM, ""), (OWNED, SELECTOR))
            for resource in resources.values()
        ]
        # Pods only explain: nothing waits until they are listed.
        self._pods = Reflector(api, clock, POD, namespace, SELECTOR, changed, complain, self.pods)

    def store(self, kind: str) -> Store:
        return self._stores[kind]

    def troubles(self) -> dict[str, str]:
        """Plural -> why the kind is not followed now; "" when it is."""
        return {one.resource.plural: one.trouble for one in (*self._reflectors, self._pods)}

    def check(self) -> None:
        """Raises ClusterError as long as a kind was never listed: what is not known is not the same as nothing."""
        waiting = [r.resource.plural for r in self._reflectors if not r.listed.is_set()]
        if waiting:
            raise ClusterError(f"not listed yet: {', '.join(waiting)}")

    async def ready(self) -> None:
        """Return when every kind was listed."""
        for reflector in self._reflectors:
            await reflector.listed.wait()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for reflector in (*self._reflectors, self._pods):
                tasks.create_task(reflector.run(), name=f"watch {reflector.resource.plural}")
