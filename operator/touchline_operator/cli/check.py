"""What `up` refuses before it starts anything: things that no single file shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from touchline_operator.adapters.local.folder import Folder
from touchline_operator.adapters.local.resources import LocalResources
from touchline_operator.api import RiskPolicy, TradingStrategy
from touchline_operator.cli.errors import BAD_INPUT, CommandError
from touchline_operator.desired.platform import KEY_ID, PRIVATE_KEY, TOKEN, URL
from touchline_operator.reconcile.gather import policy_of, strategy_of


def check_together(resources: LocalResources, folder: Folder) -> None:
    """What one file alone cannot show. Raises CommandError."""
    objects = resources.objects()
    written = [strategy_of(raw) for raw in objects if raw["kind"] == "TradingStrategy"]
    strategies = [strategy for strategy in written if isinstance(strategy, TradingStrategy)]
    named = [policy_of(raw) for raw in objects if raw["kind"] == "RiskPolicy"]
    policies = {policy.metadata.name: policy for policy in named if isinstance(policy, RiskPolicy)}
    if not strategies:
        raise CommandError(
            "the files hold no TradingStrategy; name one, such as manifests/samples/taking.yaml", BAD_INPUT
        )
    for strategy in strategies:
        wanted = strategy.spec.risk_policy_ref.name
        if wanted not in policies:
            raise CommandError(
                f"TradingStrategy/{strategy.metadata.name}: spec.riskPolicyRef.name: RiskPolicy {wanted} is in none of "
                "the files; name its file too",
                BAD_INPUT,
            )
    environments = sorted({policy.spec.exchange.environment for policy in policies.values()})
    if "Simulator" in environments and len(environments) > 1:
        raise CommandError(
            f"the policies use {' and '.join(environments)}: the simulator forgets its world at every start, so it "
            "runs alone; use another directory for the rest",
            BAD_INPUT,
        )
    for policy in policies.values():
        exchange = policy.spec.exchange
        for ref in (exchange.credentials_secret_ref, exchange.read_only_secret_ref):
            if ref is not None:
                _check_secret(folder.secrets / ref.name, (KEY_ID, PRIVATE_KEY), f"RiskPolicy/{policy.metadata.name}")
        for alert in policy.spec.alerts:
            place = folder.secrets / alert.secret_ref.name
            files = (URL, TOKEN) if (place / TOKEN).exists() else (URL,)
            _check_secret(place, files, f"RiskPolicy/{policy.metadata.name}")


def _check_secret(folder: Path, files: Sequence[str], who: str) -> None:
    for name in files:
        file = folder / name
        if not file.is_file():
            raise CommandError(
                f"{who}: the Secret's file {file} does not exist; put the {name} there, mode 0600", BAD_INPUT
            )
        if file.stat().st_mode & 0o077:
            raise CommandError(f"{who}: {file} can be read by others; run: chmod 600 {file}", BAD_INPUT)
