"""The words both sides of the sandbox share: limits, reasons, the two exceptions, plain values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

MIB = 1 << 20

PlainValue: TypeAlias = (
    "bool | int | float | str | bytes | Sequence[PlainValue] | Mapping[str, PlainValue] | None"
)
"""What may cross the border: MessagePack's own types, integers of 64 bits."""


class FailureReason(StrEnum):
    """Why a job has no answer of its own."""

    TIMEOUT = "timeout"
    CPU = "cpu"
    MEMORY = "memory"
    KILLED = "killed"
    CRASHED = "crashed"
    OUTPUT_TOO_LARGE = "output_too_large"
    UNAVAILABLE = "unavailable"


class Protection(StrEnum):
    """One layer between a child and the machine. `docs/adr/0002` tells what each one stops."""

    RLIMITS = "rlimits"
    NO_NEW_PRIVS = "no_new_privs"
    NO_CAPABILITIES = "no_capabilities"
    NETWORK_NAMESPACE = "network_namespace"
    LANDLOCK = "landlock"
    SECCOMP = "seccomp"


class SandboxFailure(Exception):
    """The job ended without an answer: it was stopped, it broke, or there was no sandbox.

    `detail` is safe to log: it never holds bytes of the input or text made from them.
    """

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class JobRefused(Exception):
    """The job looked at its input and said no, in its own words.

    Raised for an exception of the job that has string attributes `code` and `detail` (and, if it
    likes, `where`), such as a parser's own error. `detail` may quote the input.
    """

    def __init__(self, code: str, detail: str, *, where: str | None = None) -> None:
        super().__init__(f"{detail} ({where})" if where else detail)
        self.code = code
        self.detail = detail
        self.where = where


@dataclass(frozen=True, slots=True)
class Limits:
    """What one input may cost.

    `cpu_seconds` and `wall_seconds` count per input, also in `run_many`. `memory_bytes` is address
    space on top of what the interpreter and the preloaded modules occupy. `output_bytes` bounds
    the encoded answer, `file_bytes` how far a job may write into a descriptor it was given; with 0
    it can write into none.
    """

    cpu_seconds: float = 5.0
    wall_seconds: float = 8.0
    memory_bytes: int = 512 * MIB
    output_bytes: int = 64 * MIB
    file_bytes: int = 0


def is_allowed(module: str, names: Iterable[str]) -> bool:
    """Whether the module is one of these or lies below one of them."""
    return any(module == name or module.startswith(name + ".") for name in names)
