"""Functions whose code a linker made one (`--icf`), or that have several names.

Two functions that compile to the same bytes may share them. At such an address every name is true,
and the table that look-ups read has one of them: a stack may then show a function that nobody
called. So the other names are kept beside the table, for the code that has more than one:

    1a40 2c    shapes::area(Circle const&)    shapes::area(Square const&)

Names that only differ in what tells compilers' copies apart (constructor and destructor kinds,
clone suffixes, symbol versions, leading underscores of C) are one.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable

from crashes.symbolication.elfsymbols import Symbol

_MOST_NAMES = 8
_MOST_PLACES = 100_000
_COPY = re.compile(r"(?:\.(?:cold|part|isra|constprop|localalias|lto_priv|llvm|\d+)\S*|@.*)$")
_KIND = re.compile(r"([CD])[0-9](?=[EI])")


def folded_text(symbols: Iterable[Symbol], readable: Callable[[str], str | None]) -> bytes:
    """The places with several functions as lines; empty when there are none.

    `readable` demangles; what it cannot stays as it is.
    """
    names: dict[int, dict[str, str]] = defaultdict(dict)
    sizes: dict[int, int] = {}
    for symbol in symbols:
        plain = _KIND.sub(r"\1", _COPY.sub("", symbol.name))
        key = plain if plain.startswith(("_Z", "_R")) else plain.strip("_")
        names[symbol.address].setdefault(key, _COPY.sub("", symbol.name))
        sizes[symbol.address] = max(sizes.get(symbol.address, 0), symbol.size_bytes)
    shared = sorted(place for place, some in names.items() if len(some) > 1 and sizes[place])
    lines = []
    for place in shared[:_MOST_PLACES]:
        shown = {readable(name) or name: None for _, name in sorted(names[place].items())}
        if len(shown) > 1:
            lines.append("\t".join([f"{place:x} {sizes[place]:x}", *list(shown)[:_MOST_NAMES]]))
    return "\n".join(line.replace("\r", " ") for line in lines).encode("utf-8", "replace")


class FoldedCode:
    """The names of code that has several."""

    def __init__(self, text: bytes) -> None:
        """From what `folded_text` wrote."""
        self._starts: list[int] = []
        self._rows: list[tuple[int, tuple[str, ...]]] = []
        for line in text.decode("utf-8", "replace").split("\n") if text else ():
            place, *names = line.split("\t")
            start, size_bytes = (int(part, 16) for part in place.split(" "))
            self._starts.append(start)
            self._rows.append((start + size_bytes, tuple(names)))

    def names_at(self, address: int) -> tuple[str, ...]:
        """Every name of the code at an address; empty where it has one or none."""
        at = bisect_right(self._starts, address) - 1
        if at < 0 or address >= self._rows[at][0]:
            return ()
        return self._rows[at][1]
