"""Recorded exchange connections played again: the frames as they were, and a market that our orders can meet.

Recordings are read from a path that is given; none is shipped.
"""
