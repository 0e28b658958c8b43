"""What a device sends and whether we take it, as plain rules."""
