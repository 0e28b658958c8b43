"""Use cases that change the fleet."""
