"""The Kalshi client: with the simulator, the only place that knows the venue's wire format.

What leaves this package is integers (price 1/10,000 dollar, count 1/100 contract, cash 1/1,000,000 dollar, time in
epoch milliseconds), frozen structs, and the errors of `errors.py`. No aiohttp or websockets exception leaves it.
"""
