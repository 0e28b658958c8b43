"""What went wrong on the phones, and what we do about it."""
