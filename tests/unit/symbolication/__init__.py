"""Debug files compiled from tests/data/native, and what is read out of them."""
