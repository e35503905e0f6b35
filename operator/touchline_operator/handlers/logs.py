"""The operator's log: one JSON object a line, as all processes of Touchline write it."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Final

_STANDARD: Final = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {
    "message",
    "asctime",
    "taskName",
}
_FOREIGN: Final = frozenset({"k8s_ref", "k8s_skip", "settings"})
"""What kopf hangs on its records for its own use."""


class JsonFormatter(logging.Formatter):
    """Level, time, logger, event, and whatever was given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        body: dict[str, object] = {
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "logger": record.name,
            "event": record.getMessage(),
        }
        body |= {k: v for k, v in record.__dict__.items() if k not in _STANDARD and k not in _FOREIGN}
        if record.exc_info:
            body["exception"] = self.formatException(record.exc_info)
        return json.dumps(body, default=str)


def _expected_at_exit(record: logging.LogRecord) -> bool:
    """False for what kopf's watches say when the process ends while an event is on its way: they are not awaited."""
    said = record.getMessage()
    return not ("closing of asynchronous generator" in said and "infinite_watch" in said)


def configure_logs(log_format: str) -> None:
    """To stderr. kopf says at info what each handler did: with handlers that only wake, that is noise."""
    handler = logging.StreamHandler()
    if log_format == "json":
        handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("asyncio").addFilter(_expected_at_exit)
