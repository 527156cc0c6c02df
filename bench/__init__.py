"""Measurements: load generators, the PostgreSQL peer, and the command that runs them together."""
