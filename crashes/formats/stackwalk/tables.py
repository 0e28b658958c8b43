"""What a walk asks of debug files. `crashes.symbolication.unwind` answers it.

Addresses are relative to the module's start in memory, which is where an ELF file's first loaded
segment lies. Register names in rules and answers are as rules spell them (`$rsp`, `x29`).
"""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from crashes.stack import Module

ReadWord: TypeAlias = Callable[[int], int | None]


class WindowsFrame(Protocol):
    """What a Windows debug file says about the frame of a 32-bit function; sizes in bytes.

    Where `has_sizes` is False nothing but `parameter_bytes` is known.
    """

    @property
    def has_sizes(self) -> bool:
        """Whether the other fields are known."""
        ...

    @property
    def is_fpo(self) -> bool:
        """Whether it is the older kind, FPO data."""
        ...

    @property
    def parameter_bytes(self) -> int:
        """Of the parameters that its caller pushed."""
        ...

    @property
    def saved_register_bytes(self) -> int:
        """Of the registers that its prologue saves."""
        ...

    @property
    def local_bytes(self) -> int:
        """Of its locals."""
        ...

    @property
    def allocates_base_pointer(self) -> bool:
        """Whether ebp is used for something other than the frame."""
        ...

    @property
    def program(self) -> str | None:
        """What finds the caller."""
        ...


class UnwindTable(Protocol):
    """What one debug file knows about unwinding.

    `load_base` is the address of the first loaded segment: what to add to a relative address to
    get the ELF virtual address.
    """

    load_base: int

    def is_code(self, relative: int) -> bool:
        """Whether a function may be at this address."""
        ...

    def is_outermost(self, relative: int) -> bool:
        """Whether the function there says that it has no caller."""
        ...

    def caller_registers(
        self, relative: int, registers: Mapping[str, int], read: ReadWord
    ) -> Mapping[str, int] | None:
        """What the caller's registers were, among them `.cfa` and `.ra`; None without a rule."""
        ...

    def windows_frame(self, relative: int) -> WindowsFrame | None:
        """The record of a 32-bit Windows function."""
        ...

    def run_program(
        self, program: str, variables: Mapping[str, int], read: ReadWord
    ) -> Mapping[str, int] | None:
        """What a postfix program assigns; None when it fails."""
        ...


TableFinder: TypeAlias = Callable[[Module], UnwindTable | None]
"""Finds the table of a module. It is asked for every frame, so it should remember."""


def NO_TABLES(_: Module) -> UnwindTable | None:  # noqa: N802 - a constant that happens to be callable
    """Knows nothing: a walk without debug files."""
    return None
