"""Administration screens: none. The platform has pages of its own for everything."""
