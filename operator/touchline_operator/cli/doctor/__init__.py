"""`touchline doctor`: what is wrong, before money is. Every check has a value, a limit and a remedy."""

from touchline_operator.cli.doctor.command import Wish, doctor

__all__ = ["Wish", "doctor"]
