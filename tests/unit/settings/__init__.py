"""What the settings make of an environment."""
