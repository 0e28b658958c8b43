"""Use cases: everything about crashes that changes something."""
