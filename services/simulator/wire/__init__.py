"""The exchange's bodies: number and time formats, JSON of every model, error shapes."""
