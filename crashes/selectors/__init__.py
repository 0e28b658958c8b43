"""Queries about crashes, for a given viewer."""
