"""Pages about the fleet, and who may see a page."""
