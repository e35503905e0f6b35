"""One event's market data: from the exchange's WebSocket to the bus, in order, with every doubt written down."""
