"""What all pages share: sign-in, health, errors, the frame around a page."""
