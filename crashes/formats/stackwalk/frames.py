"""The state of a walk: its frames so far, and what all ways of finding a caller share."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from crashes.formats.stackwalk.budget import Budget
from crashes.formats.stackwalk.cpus import Cpu
from crashes.formats.stackwalk.memory import ModuleMap, StackMemory
from crashes.formats.stackwalk.tables import TableFinder, UnwindTable, WindowsFrame
from crashes.stack import FrameTrust, Module

SCAN_WORDS = 40
SCAN_WORDS_OF_THE_INNERMOST = 160


@dataclass(frozen=True, slots=True)
class State:
    """The registers in one frame.

    `values` may hold more than is `known` there: where a scan skips how a function changed its
    registers, the old values are still the best guess for a frame pointer. `instruction` is the
    frame's address, moved into the call; `windows_frame` what was found out on the way.
    """

    values: Mapping[str, int]
    known: frozenset[str]
    trust: FrameTrust
    instruction: int
    windows_frame: WindowsFrame | None = None

    def value(self, register: str) -> int:
        """The register's value, 0 when there is none."""
        return self.values.get(register, 0)


@dataclass(slots=True)
class Walk:
    """One thread being walked."""

    cpu: Cpu
    memory: StackMemory | None
    modules: ModuleMap
    tables: TableFinder
    budget: Budget
    is_windows: bool
    is_ios: bool
    frames: list[State] = field(default_factory=list)

    def push(self, state: State) -> None:
        """Take a frame as found."""
        self.frames.append(state)
        self.budget.frames -= 1

    def note(self, frame: WindowsFrame) -> None:
        """Keep what was found out about the function of the last frame."""
        self.frames[-1] = replace(self.frames[-1], windows_frame=frame)

    def word(self, address: int) -> int | None:
        """The stack word at an address; None outside, and when the budget is spent."""
        self.budget.words -= 1
        if self.memory is None or self.budget.words < 0:
            return None
        return self.memory.word(address)

    def place(self, address: int) -> tuple[Module | None, UnwindTable | None, int]:
        """The module at an address, its table, and the address relative to its start."""
        module = self.modules.at(address)
        if module is None:
            return None, None, 0
        return module, self.tables(module), address - (module.start_addr or 0)

    def is_return_address(self, value: int) -> bool:
        """Whether a call could return to this address.

        A function that never returns may end with its call, so that the address behind it
        belongs to the next function or to nobody; what counts is the byte before.
        """
        module, table, relative = self.place(value - 1)
        return module is not None and (table is None or table.is_code(relative))

    def scan(self, start: int, words: int) -> tuple[int, int] | None:
        """`(place, value)` of the first return address among the words at and above `start`."""
        size = self.cpu.word_bytes
        for place in range(start, start + (words + 1) * size, size):
            value = self.word(place)
            if value is None:
                return None
            value = self.without_signature(value)
            if self.is_return_address(value):
                return place, value
        return None

    def reach(self, callee: State) -> int:
        """How many words above a callee are scanned."""
        innermost = callee.trust is FrameTrust.CONTEXT
        return SCAN_WORDS_OF_THE_INNERMOST if innermost else SCAN_WORDS

    def scan_above(self, callee: State) -> tuple[int, int] | None:
        """The first return address above the callee's stack pointer."""
        return self.scan(callee.value(self.cpu.sp), self.reach(callee))

    def without_signature(self, pointer: int) -> int:
        """An arm64 code pointer without its authentication code, if it has one.

        The code sits above the bits that addresses use; how many these are is told by the
        highest module. What is no address in a module afterwards stays as it was.
        """
        if self.cpu.name != "arm64":
            return pointer
        stripped = pointer & ((1 << self.modules.highest_addr.bit_length()) - 1)
        return stripped if self.modules.at(stripped) else pointer

    def caller(
        self,
        values: Mapping[str, int],
        known: frozenset[str],
        trust: FrameTrust,
    ) -> State:
        """A caller with these registers; its instruction is moved back into the call."""
        cpu = self.cpu
        masked = {name: value & cpu.mask for name, value in values.items()}
        instruction = (masked.get(cpu.pc, 0) - cpu.call_bytes) & cpu.mask
        return State(masked, known, trust, instruction)
