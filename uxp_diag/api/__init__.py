"""What all endpoints share: errors, permissions, bodies, pages of results."""
