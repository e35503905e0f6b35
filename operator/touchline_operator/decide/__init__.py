"""PURE: checks, halt progress, conditions and status, from what was gathered before."""
