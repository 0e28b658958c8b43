"""The project: wiring and what every app shares."""
