import asyncio
import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from services.exchange.errors import KeyFileError
from services.exchange.signing import Presigner, Signer

PATH = "/trade-api/v2/portfolio/balance"
MESSAGE = b"1703123456789GET/trade-api/v2/portfolio/balance"
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)


def _signature(headers) -> bytes:
    return base64.b64decode(headers["KALSHI-ACCESS-SIGNATURE"], validate=True)


def test_rsa_signs_timestamp_method_and_path(rsa_key, rsa_pem) -> None:
    headers = Signer("key-1", rsa_pem).headers("get", PATH, 1703123456789)
    assert headers["KALSHI-ACCESS-KEY"] == "key-1"
    assert headers["KALSHI-ACCESS-TIMESTAMP"] == "1703123456789"
    assert len(headers["KALSHI-ACCESS-SIGNATURE"]) == 344
    rsa_key.public_key().verify(_signature(headers), MESSAGE, PSS, hashes.SHA256())
    with pytest.raises(InvalidSignature):
        rsa_key.public_key().verify(_signature(headers), MESSAGE + b"x", PSS, hashes.SHA256())


def test_ed25519_signs_the_same_bytes(ed_key, ed_pem) -> None:
    headers = Signer("key-1", ed_pem).headers("GET", PATH, 1703123456789)
    ed_key.public_key().verify(_signature(headers), MESSAGE)


def test_the_query_is_not_signed(ed_key, ed_pem) -> None:
    headers = Signer("key-1", ed_pem).headers("GET", PATH + "?subaccount=0", 1703123456789)
    ed_key.public_key().verify(_signature(headers), MESSAGE)


def test_other_keys_and_other_text_are_refused() -> None:
    with pytest.raises(KeyFileError, match="key id k is not a readable PEM key"):
        Signer("k", b"nonsense")
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(KeyFileError, match="allowed are RSA and Ed25519"):
        Signer("k", curve)


class CountingSigner:
    def __init__(self) -> None:
        self.calls: list[tuple[str, str, int]] = []

    def headers(self, method: str, path: str, now_ms: int) -> dict[str, str]:
        self.calls.append((method, path, now_ms))
        return {"n": str(len(self.calls))}


def test_a_ready_signature_is_used_until_it_is_too_old(clock) -> None:
    inner = CountingSigner()
    presigner = Presigner(inner, clock)
    presigner.presign("POST", "/orders")
    start = clock.now_ms()
    assert presigner.headers("POST", "/orders", start + 500) == {"n": "1"}
    assert presigner.headers("POST", "/orders", start + 501) == {"n": "2"}
    assert presigner.headers("POST", "/orders", start + 600) == {"n": "2"}
    assert presigner.headers("POST", "/orders", start + 400) == {"n": "3"}, "a clock set back signs anew"
    assert inner.calls[-1] == ("POST", "/orders", start + 400)


def test_discard_throws_ready_signatures_away(clock) -> None:
    inner = CountingSigner()
    presigner = Presigner(inner, clock)
    presigner.presign("POST", "/orders")
    presigner.discard()
    assert presigner.headers("POST", "/orders", clock.now_ms()) == {"n": "2"}


def test_calls_that_nobody_named_are_signed_each_time(clock) -> None:
    presigner = Presigner(CountingSigner(), clock)
    assert presigner.headers("GET", "/x", 1) == {"n": "1"}
    assert presigner.headers("GET", "/x", 1) == {"n": "2"}


async def test_the_refresher_keeps_signatures_fresh(clock) -> None:
    inner = CountingSigner()
    presigner = Presigner(inner, clock)
    presigner.presign("POST", "/orders")
    task = asyncio.create_task(presigner.run())
    while len(clock.slept) < 10:
        signed = inner.calls[-1][2]
        assert clock.now_ms() - signed <= 500
        await asyncio.sleep(0)
    task.cancel()
    assert len(inner.calls) >= 10
