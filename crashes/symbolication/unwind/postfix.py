"""The postfix language of unwind rules.

    $rsp 16 +            rsp plus 16
    .cfa -8 + ^          the word that lies 8 bytes below the frame's address
    $T0 $ebp = $eip $T0 4 + ^ =     two assignments, as Windows debug files have them

Operators are + - * / % @ (align down), ^ (read a word) and = (assign to a `$name`). Numbers are
decimal, with or without a sign. All arithmetic wraps at the word. A program comes from a debug
file and so from anybody: its length, the stack and all steps of one table are bounded.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

MAX_TOKENS = 256
MAX_STEPS = 4_000_000
"""Of one table. A frame takes about 40 steps."""

ReadWord: TypeAlias = Callable[[int], int | None]
Program: TypeAlias = tuple[int | str, ...]

_BINARY: Mapping[str, Callable[[int, int], int]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left // right,
    "%": lambda left, right: left % right,
    "@": lambda left, right: left & -right,
}


class Unanswerable(Exception):
    """The program reads what is not there, or makes no sense."""


def compiled(text: str) -> Program:
    """The program with its numbers read. Raises Unanswerable for one that is too long."""
    # Microsoft's linker writes "=$eip" where "= $eip" is meant.
    tokens = text.replace("=", " = ").split()
    if len(tokens) > MAX_TOKENS:
        raise Unanswerable("the program is too long")
    return tuple(_token(token) for token in tokens)


def _token(token: str) -> int | str:
    digits = token.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) <= 20:  # noqa: PLR2004 - 64 bits
        return int(token)
    return token


@dataclass(slots=True)
class Evaluator:
    """Runs programs on words of `mask`; `steps` is what is left to all of them together."""

    mask: int
    steps: int = MAX_STEPS

    def value(self, program: Program, variables: Mapping[str, int], read: ReadWord) -> int:
        """The one value that a program leaves. Raises Unanswerable."""
        stack, _ = self._run(program, variables, read)
        if len(stack) != 1:
            raise Unanswerable("the program leaves more or less than one value")
        return self._known(stack[0], variables)

    def assignments(
        self, program: Program, variables: Mapping[str, int], read: ReadWord
    ) -> dict[str, int]:
        """What a program assigns; it must leave nothing. Raises Unanswerable."""
        stack, assigned = self._run(program, variables, read)
        if stack:
            raise Unanswerable("the program is incomplete")
        return assigned

    def _run(
        self, program: Program, variables: Mapping[str, int], read: ReadWord
    ) -> tuple[list[int | str], dict[str, int]]:
        self.steps -= len(program)
        if self.steps < 0:
            raise Unanswerable("the table has used up its steps")
        known = dict(variables) if "=" in program else variables
        assigned: dict[str, int] = {}
        stack: list[int | str] = []
        for item in program:
            if item == "=":
                name, value = self._assignment(stack, known)
                assigned[name] = value
                known = {**known, name: value}
            else:
                stack.append(self._pushed(item, stack, known, read))
        return stack, assigned

    def _pushed(
        self,
        item: int | str,
        stack: list[int | str],
        known: Mapping[str, int],
        read: ReadWord,
    ) -> int | str:
        """What a token other than an assignment leaves on the stack; names stay names."""
        if item == "^":
            return self._read(self._popped(stack, known), read)
        if isinstance(item, int) or item not in _BINARY:
            return item
        right, left = self._popped(stack, known), self._popped(stack, known)
        if item in {"/", "%"} and right == 0:
            raise Unanswerable("division by zero")
        return _BINARY[item](left, right) & self.mask

    def _read(self, address: int, read: ReadWord) -> int:
        value = read(address)
        if value is None:
            raise Unanswerable(f"{address:#x} is not on the stack")
        return value

    def _assignment(self, stack: list[int | str], known: Mapping[str, int]) -> tuple[str, int]:
        value = self._popped(stack, known)
        name = stack.pop() if stack else ""
        if not isinstance(name, str) or not name.startswith("$"):
            raise Unanswerable("only a $name can be assigned to")
        return name, value

    def _popped(self, stack: list[int | str], known: Mapping[str, int]) -> int:
        if not stack:
            raise Unanswerable("an operand is missing")
        return self._known(stack.pop(), known)

    def _known(self, item: int | str, known: Mapping[str, int]) -> int:
        if isinstance(item, int):
            return item & self.mask
        if item not in known:
            raise Unanswerable(f"{item} is not known")
        return known[item] & self.mask
