"""Every name that Touchline writes into Kubernetes objects: labels, annotations, managers, conditions, reasons."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal

GROUP: Final = "touchline.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"

Kind = Literal["TradingStrategy", "RiskPolicy"]
KINDS: Final[tuple[Kind, ...]] = ("TradingStrategy", "RiskPolicy")

FIELD_MANAGER: Final = "touchline-operator"
STATUS_FIELD_MANAGER: Final = "touchline-operator-status"
FINALIZER: Final = f"{GROUP}/drain"

# Labels: what selectors and people look for.
APP: Final = "app.kubernetes.io/name"
COMPONENT: Final = "app.kubernetes.io/component"
INSTANCE: Final = "app.kubernetes.io/instance"
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
STRATEGY: Final = f"{GROUP}/strategy"
POLICY: Final = f"{GROUP}/policy"
FEED: Final = f"{GROUP}/feed"
LOOP: Final = f"{GROUP}/loop"
"""The one reconcile loop that writes an object; the scope of its pruning."""

# Annotations: what is too long or too free for a label.
EVENT: Final = f"{GROUP}/event"
CONFIG_HASH: Final = f"{GROUP}/config-hash"
ABANDON_ORDERS: Final = f"{GROUP}/abandon-orders"


class Role(StrEnum):
    """The processes that the operator renders."""

    CATALOG = "catalog"
    INGEST = "ingest"
    SOURCE = "source"
    CONSUMER = "consumer"
    DECISION = "decision"
    EXECUTOR = "executor"
    LEDGER = "ledger"


MODULES: Final[dict[Role, str]] = {role: f"services.{role}" for role in Role} | {Role.SOURCE: "services.sources"}


class Condition(StrEnum):
    """Condition types of both kinds."""

    READY = "Ready"
    POLICY_RESOLVED = "RiskPolicyResolved"
    PROGRESSING = "Progressing"
    HALTED = "Halted"
    BREACHED = "Breached"
    DATA_FRESH = "DataFresh"


STRATEGY_CONDITIONS: Final = (Condition.READY, Condition.POLICY_RESOLVED, Condition.PROGRESSING, Condition.HALTED)
POLICY_CONDITIONS: Final = (Condition.READY, Condition.HALTED, Condition.BREACHED, Condition.DATA_FRESH)


class Reason(StrEnum):
    """Reasons of conditions; a process' own report may add others."""

    ACCOUNT_IN_USE = "AccountInUse"
    CREDENTIALS_MISSING = "CredentialsMissing"
    DELETED = "Deleted"
    DRAINING = "Draining"
    EVENT_TAKEN = "EventTaken"
    FRESH = "Fresh"
    HALTED = "Halted"
    HALT_PENDING_VENUE = "HaltPendingVenue"
    INVALID_POLICY = "InvalidPolicy"
    INVALID_SPEC = "InvalidSpec"
    LIMIT_CROSSED = "LimitCrossed"
    MODE_MISMATCH = "ModeMismatch"
    NOT_HALTED = "NotHalted"
    NO_DATA = "NoData"
    POLICY_FOUND = "RiskPolicyFound"
    POLICY_NOT_FOUND = "RiskPolicyNotFound"
    PROCESS_NOT_READY = "ProcessNotReady"
    READY = "AsWanted"
    RECONCILING = "Reconciling"
    RECORD_UNREACHABLE = "RecordUnreachable"
    ROLLOUT_COMPLETE = "RolloutComplete"
    ROLLING_OUT = "RollingOut"
    SAMPLE_STALE = "SampleStale"
    FEED_DOWN = "FeedDown"
    SOURCE_DEGRADED = "SourceDegraded"
    SCALED_TO_ZERO = "ScaledToZero"
    SUSPENDED = "Suspended"
    WITHIN_LIMITS = "WithinLimits"
