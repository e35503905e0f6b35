"""Figures of Touchline on this machine: `python -m bench [--short] [--only NAME] [--json]`.

Every absolute figure stands beside a ratio taken in the same run, because the machine is shared and the ratio is not.
Safety is on: gate, leases, order groups, `appendfsync always` on the record, gap checks, signatures, metrics.
Nothing is gated on time; anything lost or doubled is an error exit.
"""
