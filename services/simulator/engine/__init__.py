"""Pure matching engine of the simulated exchange.

Units everywhere: price 1/10,000 dollar (YES scale), count 1/100 contract, cash 1/1,000,000 dollar, so that
price x count is cash exactly.
Time is an argument in wall milliseconds; ids come from a function given at construction.
"""
