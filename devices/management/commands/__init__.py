"""Commands about the fleet and about access."""
