"""The two accounts' key files: made once, kept over restarts, readable by their owner only."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

_INDEX = "accounts.json"


class KeyFileError(OSError):
    """A state directory or key file that cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class AccountKey:
    """One account's key id, where its private key lies, and the public key that checks its signatures."""

    key_id: str
    private_key_path: Path
    public_key: rsa.RSAPublicKey


def load_or_make(state_dir: Path) -> list[AccountKey]:
    """Read the accounts under ``state_dir``, making what is missing; raises ``KeyFileError``."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        index = state_dir / _INDEX
        key_ids = _read_index(index) if index.exists() else [str(uuid4()) for _ in range(2)]
        if not index.exists():
            _write(index, json.dumps({"key_ids": key_ids}).encode())
        return [_account(state_dir / f"account-{number}.pem", key_id) for number, key_id in enumerate(key_ids, 1)]
    except KeyFileError:
        raise
    except OSError as error:
        raise KeyFileError(f"state directory {state_dir}: {error.strerror or error}") from error


def _read_index(index: Path) -> list[str]:
    try:
        first, second = json.loads(index.read_text())["key_ids"]
        return [str(UUID(first)), str(UUID(second))]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeyFileError(f"{index}: not a list of key ids ({error}); remove the file to start afresh") from error


def _account(path: Path, key_id: str) -> AccountKey:
    if not path.exists():
        made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = made.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        _write(path, pem)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as error:
        raise KeyFileError(f"{path}: not a private key; remove the file to get a new one") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise KeyFileError(f"{path}: not an RSA key; remove the file to get a new one")
    return AccountKey(key_id, path, key.public_key())


def _write(path: Path, content: bytes) -> None:
    """Write a private file in one step, so that a crash leaves either nothing or all of it."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    draft.replace(path)
