"""`touchline why`: what was known, what was asked, who said no, and what became of the order."""

from touchline_operator.cli.why.command import why

__all__ = ["why"]
