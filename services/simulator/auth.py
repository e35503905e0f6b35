"""API keys and request signatures: RSASSA-PSS with SHA-256 or Ed25519 over timestamp + method + path."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from services.simulator.engine.model import Account
from services.simulator.wire.errors import nested

KEY_HEADER = "KALSHI-ACCESS-KEY"
TIME_HEADER = "KALSHI-ACCESS-TIMESTAMP"
SIGNATURE_HEADER = "KALSHI-ACCESS-SIGNATURE"
SKEW_MS = 10_000
"""Largest accepted distance between the signed timestamp and the exchange's clock."""
SCOPES = (
    "read",
    "write",
    "read::block_trade_accept",
    "read::portfolio_balance",
    "write::trade",
    "write::transfer",
    "write::fcm_risk",
    "write::block_trade_accept",
)

PublicKey = RSAPublicKey | Ed25519PublicKey
_PADDING = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
_LONGEST_STAMP = 16


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key of a member: what it may do, and the only subaccount it may touch, if it is bound to one."""

    key_id: str
    name: str
    scopes: tuple[str, ...]
    public_key: PublicKey
    account: Account
    subaccount: int | None = None

    def allows(self, scope: str) -> bool:
        """A broad scope holds all its narrow ones."""
        return scope in self.scopes or scope.partition("::")[0] in self.scopes


class Authenticator:
    """Every key by its id."""

    def __init__(self) -> None:
        self.keys: dict[str, ApiKey] = {}

    def check(self, headers: Mapping[str, str], method: str, path: str, now_ms: int) -> str:
        """The key id of a correctly signed request; raises ``WireError`` 401. ``path`` has no query."""
        signature = headers.get(SIGNATURE_HEADER)
        if not signature:
            raise nested(401, "signature_is_missing_from_headers")
        stamp = headers.get(TIME_HEADER, "")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= _LONGEST_STAMP):
            raise nested(401, "header_timestamp_expired")
        if abs(int(stamp) - now_ms) > SKEW_MS:
            raise nested(401, "header_timestamp_expired")
        key = self.keys.get(headers.get(KEY_HEADER, ""))
        if key is None:
            raise nested(401, "authentication_error", "authentication_error", "NOT_FOUND")
        try:
            _verify(key.public_key, base64.b64decode(signature, validate=True), f"{stamp}{method}{path}".encode())
        except (InvalidSignature, binascii.Error, ValueError) as error:
            raise nested(401, "authentication_error", "authentication_error", "INCORRECT_API_KEY_SIGNATURE") from error
        return key.key_id


def _verify(key: PublicKey, signature: bytes, signed: bytes) -> None:
    if isinstance(key, RSAPublicKey):
        key.verify(signature, signed, _PADDING, hashes.SHA256())
    else:
        key.verify(signature, signed)
