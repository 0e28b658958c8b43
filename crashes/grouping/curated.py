"""The curated lists as predicates: whether a name is on a list.

A list is a text file in `lists/` (see the README there): one pattern a line, `*` stands for any
text, `[[]` for a literal bracket, `[abc]` for one of these characters, and everything else is
literal. All lines of a file become one expression, so asking costs the same however long it is.
"""

import re
from dataclasses import dataclass
from fnmatch import translate
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("lists")


@dataclass(frozen=True, slots=True)
class CuratedList:
    """The patterns of one file, and the question whether a name is among them."""

    name: str
    patterns: tuple[str, ...]
    expression: re.Pattern[str]

    def has(self, text: str) -> bool:
        """Whether any pattern covers the whole text."""
        return self.expression.match(text) is not None


def compile_patterns(name: str, patterns: tuple[str, ...]) -> CuratedList:
    """One list from its lines. Raises re.error for a line that is no pattern."""
    whole = "|".join(f"(?:{translate(pattern)})" for pattern in patterns)
    return CuratedList(name, patterns, re.compile(whole or r"(?!)"))


@cache
def load(name: str) -> CuratedList:
    """The list `lists/<name>.txt`. Raises FileNotFoundError for a name that is no list."""
    lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    patterns = tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    return compile_patterns(name, patterns)


def names() -> list[str]:
    """Every list there is, in alphabetical order."""
    return sorted(path.stem for path in FOLDER.glob("*.txt"))
