"""Which rules a report was scrubbed by; kept with it."""

SCRUBBER_VERSION = 1
"""Raise it whenever a rule finds more than before."""
