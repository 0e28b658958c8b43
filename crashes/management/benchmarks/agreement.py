"""How our answers differ from those of the tools that people trust, and in what way.

Compared are only addresses at which the other tool knows a function or a line; a random address
may as well fall between functions. Per address the whole inline list counts: its depth, then file
name and line of every frame ("location"), then also the names of the functions ("full"). Names
are compared without what only tells compilers' copies apart: constructor and destructor kinds,
clone suffixes, symbol versions.

Every address is put into one class, the first that fits:

    same         location and names
    alias        names differ, but the symbol table has both names at one address (folded code)
    name         names differ
    empty        we know nothing
    no_line      we know the function, the other tool a line as well
    depth        inline lists of different length
    file         another file
    line         the same files, another line
"""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from crashes.symbolication.tablereader import Frames

Answer: TypeAlias = Sequence[tuple[str | None, str | None, int | None]]
"""Function, file and line of every frame, innermost first; None where nothing is known."""

_CLONE = re.compile(
    r"(?:\.(?:cold|part|isra|constprop|localalias|lto_priv|llvm|__uniq|\d+)(?:\.[0-9a-f]+)*)+$"
    r"|@@?[A-Za-z0-9_.]+$"
)
_KIND = re.compile(r"([CD])[0-9](?=E|I)")


class Difference(StrEnum):
    """How two answers differ; see the module."""

    SAME = "same"
    ALIAS = "alias"
    NAME = "name"
    EMPTY = "empty"
    NO_LINE = "no_line"
    DEPTH = "depth"
    FILE = "file"
    LINE = "line"


_SAME_PLACE = frozenset({Difference.SAME, Difference.ALIAS, Difference.NAME})


@dataclass(frozen=True, slots=True)
class Agreement:
    """How `count` addresses fared. Shares are between 0 and 1.

    `location` is the share with the same inline depth, files and lines; `full` also has the same
    names, or names of one folded function.
    """

    count: int
    classes: Mapping[Difference, int]

    @property
    def location(self) -> float:
        """The share with the same place in every frame."""
        return self._share(_SAME_PLACE)

    @property
    def full(self) -> float:
        """The share with the same names as well."""
        return self._share({Difference.SAME, Difference.ALIAS})

    def _share(self, classes: Iterable[Difference]) -> float:
        return sum(self.classes.get(one, 0) for one in classes) / self.count if self.count else 0.0


def agreement(
    ours: Sequence[Frames],
    theirs: Sequence[Answer],
    *,
    with_files: bool = True,
    aliases: Mapping[str, object] | None = None,
) -> Agreement:
    """Compare answer by answer. `aliases` maps a symbol's name to its address."""
    found = Counter(
        difference(mine, other, with_files=with_files, aliases=aliases or {})
        for mine, other in zip(ours, theirs, strict=True)
        if is_known(other)
    )
    return Agreement(sum(found.values()), found)


def is_known(answer: Answer) -> bool:
    """Whether a tool named a function with a line here, which it does not between functions."""
    return any(name and line for name, _, line in answer)


def difference(
    ours: Frames, theirs: Answer, *, with_files: bool, aliases: Mapping[str, object]
) -> Difference:
    """The class of one address."""
    mine = [(frame.raw_function, frame.file, frame.line) for frame in ours]
    if places(mine, with_files=with_files) == places(theirs, with_files=with_files):
        return _naming(names(mine), names(theirs), aliases)
    if not mine:
        return Difference.EMPTY
    if len(mine) != len(theirs):
        lineless = len(mine) == 1 and not mine[0][2]
        return Difference.NO_LINE if lineless else Difference.DEPTH
    if [line for _, _, line in mine] != [line for _, _, line in theirs]:
        lineless = any(
            line and not own for (_, _, own), (_, _, line) in zip(mine, theirs, strict=True)
        )
        return Difference.NO_LINE if lineless else Difference.LINE
    return Difference.FILE


def _naming(mine: list[str], theirs: list[str], aliases: Mapping[str, object]) -> Difference:
    different = [(one, other) for one, other in zip(mine, theirs, strict=True) if one != other]
    if not different:
        return Difference.SAME
    folded = all(
        one in aliases and aliases.get(one) == aliases.get(other) for one, other in different
    )
    return Difference.ALIAS if folded else Difference.NAME


def places(answer: Answer, *, with_files: bool) -> list[tuple[str, int]]:
    """File name and line of every frame."""
    return [
        (PurePosixPath(file or "").name if with_files else "", line or 0)
        for _, file, line in answer
    ]


def names(answer: Answer) -> list[str]:
    """The functions' names, without what tells copies of one function apart."""
    return [plain_name(name or "") for name, _, _ in answer]


def plain_name(name: str) -> str:
    """A raw name without clone suffix, version, and kind of constructor."""
    return _KIND.sub(r"\1", _CLONE.sub("", name))


def asked_llvm(program: str, path: Path, addresses: Sequence[int]) -> list[Answer]:
    """What llvm-symbolizer says, inline lists and mangled names."""
    options = ["--inlines", "--no-demangle", "--functions=linkage", "--output-style=JSON"]
    output = asked([program, *options, f"--obj={path}"], addresses)
    return [
        [
            (known(frame["FunctionName"]), frame["FileName"] or None, frame["Line"] or None)
            for frame in json.loads(line).get("Symbol", [])
        ]
        for line in output.splitlines()
    ]


def asked(command: Sequence[str], addresses: Sequence[int]) -> str:
    """The output of a tool that reads addresses from its standard input."""
    text = "".join(f"{address:#x}\n" for address in addresses)
    done = subprocess.run(  # noqa: S603  a tool found by name
        command, input=text, capture_output=True, text=True, check=True
    )
    return done.stdout


def known(name: str) -> str | None:
    """The name, unless it is the tools' way to say that there is none."""
    return None if name in {"??", ""} else name
