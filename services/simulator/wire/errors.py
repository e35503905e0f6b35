"""The error bodies: nested, flat, and bare message."""

from typing import Any

from services.simulator.engine.errors import Refused


class WireError(Exception):
    """A request that never reached the engine; ``body`` is the exact JSON answer."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body


def error_object(refused: Refused) -> dict[str, str]:
    found = {"code": refused.code, "message": refused.message}
    if refused.details:
        found["details"] = refused.details
    return found


def nested(status: int, code: str, message: str = "", details: str = "") -> WireError:
    """``{"error": {...}}``: authentication, orders, exchange."""
    refused = Refused(code, status=status, message=message, details=details)
    return WireError(status, {"error": error_object(refused)})


def flat(details: str, code: str = "bad_request", status: int = 400) -> WireError:
    """``{"code", "message", "details"}``: bodies that do not decode."""
    return WireError(status, {"code": code, "message": code.replace("_", " "), "details": details})


def bad_parameter(operation: str, field: str, tag: str) -> WireError:
    """``{"msg": ...}``: query parameters, in the words of the exchange's validator."""
    text = (
        f"Parameter validation failed for {operation}: Key: '{operation}Params.{field}' "
        f"Error:Field validation for '{field}' failed on the '{tag}' tag"
    )
    return WireError(400, {"msg": text})


TOO_MANY = {"error": "too many requests"}
