"""One event's market data and game, joined into signals: one per market per change."""
