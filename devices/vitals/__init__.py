"""How the fleet is doing when nothing went wrong."""
