"""Where a Redis is: its URL, and the file that holds its password. PURE.

The password itself never stands in a URL: URLs stand in ConfigMaps, arguments and logs. The path of its file does, as
`redis://host:6379/0?passwordFile=/path`; a user other than `default` as `redis://user@host`.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

OPTION = "passwordFile"


@dataclass(frozen=True, slots=True)
class Address:
    """`url` without user and file; `password_file` is "" when none is wanted."""

    url: str
    user: str = ""
    password_file: str = ""


def parse(text: str) -> Address:
    """Read an address. Raises ValueError, which shows nothing of it, when a password stands in it."""
    parts = urlsplit(text)
    options = parse_qsl(parts.query, keep_blank_values=True)
    names = {name for name, _ in options}
    if parts.password is not None or (parts.username is None and "@" in parts.netloc) or "password" in names:
        raise ValueError(f"the URL holds a password; put it into a file and name that: ?{OPTION}=PATH")
    file = dict(options).get(OPTION, "")
    if OPTION in names and not file:
        raise ValueError(f"{OPTION} names no file")
    plain, _, _ = text.partition("?")
    if parts.username is not None:
        plain = plain.replace(f"{parts.username}@", "", 1)
    rest = urlencode([(name, value) for name, value in options if name != OPTION])
    return Address(f"{plain}?{rest}" if rest else plain, parts.username or "", file)


def with_file(url: str, path: str) -> str:
    """The URL with the file of its password; unchanged for ""."""
    return f"{url}{'&' if '?' in url else '?'}{OPTION}={quote(path)}" if path else url
