"""Access to the API server: a ledger may read its own RiskPolicy, so that `spec.halt` works with the operator dead.

No other process has a token at all.
"""

from __future__ import annotations

from typing import Final

from touchline_operator import names
from touchline_operator.desired.meta import Child, Object

RBAC_GROUP: Final = "rbac.authorization.k8s.io"
RBAC: Final = f"{RBAC_GROUP}/v1"


def own_policy_access(child: Child, policy: str) -> list[Object]:
    """A ServiceAccount that may get and watch exactly this RiskPolicy."""
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": child.metadata(),
            "automountServiceAccountToken": False,
        },
        {
            "apiVersion": RBAC,
            "kind": "Role",
            "metadata": child.metadata(),
            "rules": [
                {
                    "apiGroups": [names.GROUP],
                    "resources": ["riskpolicies"],
                    "resourceNames": [policy],
                    "verbs": ["get", "watch"],
                }
            ],
        },
        {
            "apiVersion": RBAC,
            "kind": "RoleBinding",
            "metadata": child.metadata(),
            "roleRef": {"apiGroup": RBAC_GROUP, "kind": "Role", "name": child.name},
            "subjects": [{"kind": "ServiceAccount", "name": child.name, "namespace": child.namespace}],
        },
    ]
