"""Commands for people and for checks."""
