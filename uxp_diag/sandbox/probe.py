"""Jobs that do next to nothing, to see the sandbox at work: `python -m uxp_diag.sandbox`."""

from uxp_diag.sandbox.terms import PlainValue


def echo(*arguments: PlainValue) -> list[PlainValue]:
    """The arguments as they arrived."""
    return list(arguments)


def measure(payload: bytes) -> int:
    """How many bytes arrived."""
    return len(payload)
