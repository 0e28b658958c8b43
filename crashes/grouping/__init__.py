"""Which reports share a cause."""
