"""The text of a payload as lines, whatever its bytes are, and the bounds every text parser keeps.

A device cuts, damages and re-encodes its own logs. Here bytes become lines that are safe to read:
UTF-8 with replacement, no byte order mark, no NUL, either line ending, and no line longer than
`MAX_LINE` characters, so that one bad line cannot cost more than its share.
"""

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

MAX_LINE = 64 * 1024
MAX_FRAMES = 512
MAX_THREADS = 512
_TAIL = 128

T = TypeVar("T")


def text_lines(payload: bytes) -> list[str]:
    """The lines of `payload` without their endings; an empty payload has one empty line."""
    text = payload.decode("utf-8-sig", "replace").replace("\0", "")
    return [line[:MAX_LINE].rstrip("\r") for line in text.split("\n")]


def blank(line: str) -> bool:
    """Whether nothing but white space stands in `line`."""
    return not line or line.isspace()


class HeadAndTail(Generic[T]):
    """Keeps the first 384 and the last 128 of what is added, and counts what fell between.

    The top of a stack tells what failed and its bottom who asked for it; a recursion repeats
    itself in between.
    """

    __slots__ = ("_count", "_head", "_tail")

    def __init__(self) -> None:
        self._head: list[T] = []
        self._tail: deque[T] = deque(maxlen=_TAIL)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, item: T) -> None:
        """Take one more item, in order."""
        kept = self._head if self._count < MAX_FRAMES - _TAIL else self._tail
        kept.append(item)
        self._count += 1

    @property
    def omitted(self) -> int:
        """How many items were dropped."""
        return self._count - len(self._head) - len(self._tail)

    def kept(self) -> Iterator[T]:
        """What was kept, in order."""
        yield from self._head
        yield from self._tail

    def items(self) -> Iterator[tuple[int, T]]:
        """What was kept, each with its place among all that were added."""
        yield from enumerate(self._head)
        yield from enumerate(self._tail, start=self._count - len(self._tail))
