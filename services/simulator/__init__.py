"""A local Kalshi: real games, real matching, the exchange's own REST and WebSocket on one port.

Layers, each importing only those before it:

* ``engine``: pure matching, collateral, fees, positions, settlement. Integers only; time and ids are
  arguments.
* ``world``: recorded games compressed in time, the public catalogue, market makers and traders around the
  game.
* ``wire``: the exchange's number formats, JSON bodies and error bodies.
* ``rest``, ``ws``: the HTTP and WebSocket edges, with signatures and rate limits.

The engine is written from the exchange's documents, not from the models of the product: it is the judge of
every test.
All state but the key files and the accept log is in memory. A restart is a new world with the same keys.
"""
