"""The REST calls, grouped as the exchange documents them.

Handlers are plain functions of a call; the edge is ``rest.server``.
"""
