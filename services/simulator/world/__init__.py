"""The world outside the matching engine: recorded games in compressed time and the traders around them.

Everything here is driven by one schedule and one seed. Win probabilities stay inside this package: the
public API never shows one.
"""
