"""The project: wiring and what every app shares.

Nothing is imported here: the sandbox's children live in this package and know no framework.
"""
