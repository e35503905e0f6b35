"""Keys on disk: refused when others can read them, re-read when they change, tried before they replace the old."""

import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

from services.exchange.errors import AuthenticationError, KeyFileError, PermanentError
from services.exchange.signing import Signer

Stamp = tuple[int, int, int]
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class KeySource:
    """A key id and a private key file, as the signer of all requests.

    `key_id` is the id itself or a file that holds it (a mounted Secret has both as files). `require_private`
    refuses a key file that group or others can touch; a Kubernetes Secret mount is guarded by the pod instead.
    Raises KeyFileError when the first key cannot be used: there is nothing to fall back on.
    """

    def __init__(self, key_id: str | Path, private_key_path: Path, *, require_private: bool = True) -> None:
        self._key_id = key_id
        self._path = private_key_path
        self._require_private = require_private
        self._seen = self._stamps()
        self._signer = self._load()

    @property
    def key_id(self) -> str:
        """The id in use."""
        return self._signer.key_id

    def headers(self, method: str, path: str, now_ms: int) -> dict[str, str]:
        return self._signer.headers(method, path, now_ms)

    async def refresh(self, try_read: Callable[[Signer], Awaitable[object]]) -> bool:
        """Adopt a changed key if the venue accepts a read call signed with it; True when it was adopted.

        On AuthenticationError, PermanentError or KeyFileError the old key stays, the error goes to the caller to
        report, and the same files are not tried again. After a TemporaryError they are.
        """
        stamps = self._stamps()
        if stamps == self._seen:
            return False
        try:
            candidate = self._load()
            await try_read(candidate)
        except (AuthenticationError, PermanentError, KeyFileError):
            self._seen = stamps
            raise
        self._seen = stamps
        self._signer = candidate
        return True

    def _stamps(self) -> tuple[Stamp, ...]:
        files = [self._path] if isinstance(self._key_id, str) else [self._path, self._key_id]
        return tuple(_stamp(file) for file in files)

    def _load(self) -> Signer:
        try:
            return self._read_key()
        except (OSError, UnicodeDecodeError) as error:  # replaced or removed while we read
            raise KeyFileError(f"private key file {self._path} or its key id cannot be read: {error}") from error

    def _read_key(self) -> Signer:
        mode = stat.S_IMODE(self._path.stat().st_mode)
        if self._require_private and mode & _OTHERS:
            raise KeyFileError(
                f"private key file {self._path} has mode {mode:04o}, open to others: chmod 600 {self._path}"
            )
        key_id = self._key_id if isinstance(self._key_id, str) else self._key_id.read_text().strip()
        if not key_id:
            raise KeyFileError(f"the key id of private key file {self._path} is empty")
        try:
            return Signer(key_id, self._path.read_bytes())
        except KeyFileError as error:
            raise KeyFileError(f"private key file {self._path}: {error}") from error


def _stamp(file: Path) -> Stamp:
    try:
        seen = file.stat()
    except OSError as error:
        raise KeyFileError(f"key file {file} cannot be read: {error.strerror}") from error
    return seen.st_mtime_ns, seen.st_size, seen.st_ino
