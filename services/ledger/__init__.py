"""The ledger: an independent witness of one exchange account and the only writer of its money state.

It books what the exchange itself reports, over its own connection; keeps the trading lease, without which no order
passes the gate; latches on a breach; and takes a halt to its confirmed end.
"""
