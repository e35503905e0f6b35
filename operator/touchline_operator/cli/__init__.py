"""The command `touchline`."""

from touchline_operator.cli.main import main

__all__ = ["main"]
