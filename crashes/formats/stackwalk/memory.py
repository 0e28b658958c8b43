"""What a walk may look at: the bytes of one stack, and where modules are mapped."""

from bisect import bisect_right
from collections.abc import Sequence

from crashes.stack import Module


class StackMemory:
    """The stack of one thread: `data` is what stood at `start_addr` and above.

    Only this region is ever read, even if the dump holds others: whatever a frame pointer or a
    rule says must lie on the thread's own stack.
    """

    __slots__ = ("_data", "_start", "_word_bytes")

    def __init__(self, start_addr: int, data: memoryview, word_bytes: int) -> None:
        self._start = start_addr
        self._data = data
        self._word_bytes = word_bytes

    def word(self, address: int) -> int | None:
        """The little-endian word at `address`; None outside the stack."""
        offset = address - self._start
        end = offset + self._word_bytes
        if offset < 0 or end > len(self._data):
            return None
        return int.from_bytes(self._data[offset:end], "little")


class ModuleMap:
    """The modules by address. Where two overlap, the one that starts later has the place.

    That happens on Android, where relocation packing makes a library claim the place of the one
    behind it.
    """

    __slots__ = ("_modules", "_starts", "highest_addr")

    def __init__(self, modules: Sequence[Module]) -> None:
        placed = {module.start_addr: module for module in modules if module.start_addr is not None}
        self._starts = sorted(placed)
        self._modules = [placed[start] for start in self._starts]
        self.highest_addr = (self._modules[-1].end_addr or 0) if self._modules else 0

    def at(self, address: int) -> Module | None:
        """The module that is mapped at `address`."""
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        module = self._modules[index]
        return module if address < (module.end_addr or 0) else None
