"""Wire timestamps: RFC 3339 in UTC with trailing zeros of the fraction trimmed."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(ms: int) -> str:
    whole, milli = divmod(ms, 1000)
    text = (_EPOCH + timedelta(seconds=whole)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{f'{milli:03d}'.rstrip('0')}Z" if milli else f"{text}Z"


def parse_rfc3339(text: str) -> int:
    """Milliseconds of an RFC 3339 time; raises ``ValueError``.

    Offsets without a colon are accepted, as clients send them.
    """
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return round(parsed.timestamp() * 1000)
