"""Key files of the accounts: made once, kept over restarts, readable by their owner only."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID, uuid4

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from services.simulator.auth import PublicKey

_INDEX = "accounts.json"
KeyKind = Literal["rsa", "ed25519"]
PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class KeyFileError(OSError):
    """A state directory or key file that cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class AccountKey:
    """One account's key id, where its private key lies, and the public key that checks its signatures."""

    key_id: str
    private_key_path: Path
    public_key: PublicKey


def generate(kind: KeyKind) -> tuple[str, PublicKey]:
    """A new private key as the exchange hands it out (RSA in PKCS#1, Ed25519 in PKCS#8), and its public key."""
    made: PrivateKey
    if kind == "rsa":
        made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        shape = serialization.PrivateFormat.TraditionalOpenSSL
    else:
        made = ed25519.Ed25519PrivateKey.generate()
        shape = serialization.PrivateFormat.PKCS8
    pem = made.private_bytes(serialization.Encoding.PEM, shape, serialization.NoEncryption())
    return pem.decode(), made.public_key()


def load_or_make(state_dir: Path, kinds: Sequence[KeyKind] = ("rsa", "rsa")) -> list[AccountKey]:
    """One account per entry of ``kinds``, read from ``state_dir``, making what is missing; raises ``KeyFileError``.

    A key file that is there keeps its kind.
    """
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        index = state_dir / _INDEX
        key_ids = _read_index(index) if index.exists() else []
        if len(key_ids) < len(kinds):
            key_ids += [str(uuid4()) for _ in range(len(kinds) - len(key_ids))]
            _write(index, json.dumps({"key_ids": key_ids}).encode())
        return [
            _account(state_dir / f"account-{number}.pem", key_id, kind)
            for number, (key_id, kind) in enumerate(zip(key_ids, kinds, strict=False), 1)
        ]
    except KeyFileError:
        raise
    except OSError as error:
        raise KeyFileError(f"state directory {state_dir}: {error.strerror or error}") from error


def _read_index(index: Path) -> list[str]:
    try:
        return [str(UUID(key_id)) for key_id in json.loads(index.read_text())["key_ids"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeyFileError(f"{index}: not a list of key ids ({error}); remove the file to start afresh") from error


def _account(path: Path, key_id: str, kind: KeyKind) -> AccountKey:
    if not path.exists():
        _write(path, generate(kind)[0].encode())
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as error:
        raise KeyFileError(f"{path}: not a private key; remove the file to get a new one") from error
    if not isinstance(key, PrivateKey):
        raise KeyFileError(f"{path}: neither an RSA nor an Ed25519 key; remove the file to get a new one")
    return AccountKey(key_id, path, key.public_key())


def _write(path: Path, content: bytes) -> None:
    """Write a private file in one step, so that a crash leaves either nothing or all of it."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    draft.replace(path)
