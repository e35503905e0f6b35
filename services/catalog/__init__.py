"""What may be traded: events, markets, fees, price grids and the game of each event, read from the exchange."""
