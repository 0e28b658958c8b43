"""What may be done with an issue."""
