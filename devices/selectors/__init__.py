"""Queries about the fleet, for a given viewer or credential."""
