"""Request signatures: RSASSA-PSS with SHA-256 over timestamp + method + path."""

import base64
import binascii
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from services.simulator.wire.errors import nested

KEY_HEADER = "KALSHI-ACCESS-KEY"
TIME_HEADER = "KALSHI-ACCESS-TIMESTAMP"
SIGNATURE_HEADER = "KALSHI-ACCESS-SIGNATURE"
SKEW_MS = 10_000
"""Largest accepted distance between the signed timestamp and the exchange's clock."""

_PADDING = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)


class Authenticator:
    """Knows the public key of every key id."""

    def __init__(self, keys: Mapping[str, RSAPublicKey]) -> None:
        self._keys = keys

    def check(self, headers: Mapping[str, str], method: str, path: str, now_ms: int) -> str:
        """The key id of a correctly signed request; raises ``WireError`` 401. ``path`` has no query."""
        signature = headers.get(SIGNATURE_HEADER)
        if not signature:
            raise nested(401, "signature_is_missing_from_headers")
        stamp = headers.get(TIME_HEADER, "")
        if not (stamp.isascii() and stamp.isdigit()) or abs(int(stamp) - now_ms) > SKEW_MS:
            raise nested(401, "header_timestamp_expired")
        key_id = headers.get(KEY_HEADER, "")
        public_key = self._keys.get(key_id)
        if public_key is None:
            raise nested(401, "authentication_error", "authentication_error", "NOT_FOUND")
        try:
            public_key.verify(
                base64.b64decode(signature, validate=True), f"{stamp}{method}{path}".encode(), _PADDING, hashes.SHA256()
            )
        except (InvalidSignature, binascii.Error) as error:
            raise nested(401, "authentication_error", "authentication_error", "INCORRECT_API_KEY_SIGNATURE") from error
        return key_id
