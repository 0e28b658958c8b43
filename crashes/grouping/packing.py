"""A million stacks in little memory: numbers in arrays in place of objects and dicts.

`TermTable` files numbers under 64-bit terms. Its keys lie in an open-addressing table; what is
filed under a key is a chain through one array, newest first:

    slot   key      head  count        entry   number  next
      3    0x7a..     9      2    -->     9       41     4
                                          4       17     0   (0 ends a chain)

What many stacks have in common would make long chains, so from `_LONG` numbers on a term has an
array of its own, of which the newest part is kept: to read it costs a slice, to keep it little.

`VariantStore` keeps what mechanisms compare of a `GroupingInput` as numbers of one vocabulary, so
that a name costs four bytes wherever it appears. A Python dict of lists takes some 25 KB for a
stack of 25 frames; here it is little more than one.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from crashes.grouping.values import Candidate, GroupingInput

_FIRST_SIZE = 1 << 8
_FULL = 0.66
_LONG = 256
_HEAD = 3  # type, culprit and the count of frames stand before the frames


class TermTable(Mapping[int, int]):
    """Numbers by signed 64-bit term; as a mapping it tells how many numbers a term has.

    Of each term at least the newest `kept` numbers stay; older ones may be forgotten, but count.
    """

    __slots__ = ("_counts", "_heads", "_kept", "_keys", "_long", "_mask", "_next", "_numbers",
                 "_used")  # fmt: skip

    def __init__(self, kept: int = 1 << 32) -> None:
        self._used = 0
        self._kept = kept
        self._long: dict[int, array[int]] = {}
        self._numbers = array("I", [0])
        self._next = array("I", [0])
        self._grow_to(_FIRST_SIZE)

    def _grow_to(self, size: int) -> None:
        self._mask = size - 1
        self._keys = array("q", bytes(8 * size))
        self._heads = array("I", bytes(4 * size))
        self._counts = array("I", bytes(4 * size))

    def add(self, term: int, number: int) -> None:
        """File a number; of one term they come in growing order."""
        slot = self._slot(term)
        if not self._heads[slot]:
            if self._used >= _FULL * self._mask:
                self._grow()
                slot = self._slot(term)
            self._keys[slot] = term
            self._used += 1
        self._counts[slot] += 1
        if self._counts[slot] > _LONG:
            self._add_long(term, number)
            return
        self._numbers.append(number)
        self._next.append(self._heads[slot])
        self._heads[slot] = len(self._numbers) - 1

    def _add_long(self, term: int, number: int) -> None:
        numbers = self._long.get(term)
        if numbers is None:
            numbers = self._long[term] = array("I", self._chained(term, _LONG))
        numbers.append(number)
        if len(numbers) > 2 * self._kept + _LONG:
            del numbers[: -self._kept]

    def newest(self, term: int, most: int) -> list[int]:
        """The numbers filed last under a term, oldest first; `most` is not above `kept`."""
        numbers = self._long.get(term)
        if numbers is not None:
            return numbers[-most:].tolist()
        return self._chained(term, most)

    def _chained(self, term: int, most: int) -> list[int]:
        found: list[int] = []
        entry = self._heads[self._slot(term)]
        following, numbers = self._next, self._numbers
        while entry and len(found) < most:
            found.append(numbers[entry])
            entry = following[entry]
        found.reverse()
        return found

    def get(self, term: int, default: int = 0) -> int:  # type: ignore[override]
        """How many numbers a term has."""
        return self._counts[self._slot(term)] or default

    def __getitem__(self, term: int) -> int:
        count = self._counts[self._slot(term)]
        if not count:
            raise KeyError(term)
        return count

    def __iter__(self) -> Iterator[int]:
        return (key for key, head in zip(self._keys, self._heads, strict=True) if head)

    def __len__(self) -> int:
        return self._used

    def _slot(self, term: int) -> int:
        """Where a term is, or where it would be put: terms are hashes, so their low bits serve."""
        keys, heads, mask = self._keys, self._heads, self._mask
        slot = term & mask
        while heads[slot] and keys[slot] != term:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        """Twice the slots, all at once: a loop over millions would hold one crash up for long.

        In order of their first choice, each key takes it or the slot behind the one before. What
        runs over the end goes to the front, one by one; there are few.
        """
        keys, heads, counts = map(np.array, (self._keys, self._heads, self._counts))
        size = 2 * len(keys)
        self._grow_to(size)
        wanted = keys & (size - 1)
        used = np.flatnonzero(heads)
        used = used[np.argsort(wanted[used], kind="stable")]
        steps = np.arange(len(used))
        places = np.maximum.accumulate(wanted[used] - steps) + steps
        inside = int(np.searchsorted(places, size))
        for new, old in ((self._keys, keys), (self._heads, heads), (self._counts, counts)):
            np.frombuffer(new, old.dtype)[places[:inside]] = old[used[:inside]]
        for slot in used[inside:]:
            place = self._slot(int(keys[slot]))
            self._keys[place] = int(keys[slot])
            self._heads[place] = int(heads[slot])
            self._counts[place] = int(counts[slot])


class VariantStore:
    """The stacks of one scope by number, from 0 on, as far as a mechanism compares them.

    Signature, exact key and explanation are not kept: they say nothing about likeness.
    """

    def __init__(self, vocabulary: "Vocabulary") -> None:
        self._vocabulary = vocabulary
        self._data = array("I")
        self._starts = array("Q", [0])
        self._frame: tuple[str, str] = ("", "")

    def __len__(self) -> int:
        return len(self._starts) - 1

    def append(self, item: GroupingInput) -> None:
        """Keep one more."""
        number = self._vocabulary.number
        self._frame = (item.mechanism, item.scope)
        data = self._data
        data.append(number(item.exception_type))
        data.append(number(item.culprit))
        data.append(len(item.tokens))
        data.extend(
            2 * number(token) + own for token, own in zip(item.tokens, item.in_app, strict=True)
        )
        data.extend(map(number, item.homes))
        data.extend(item.words)
        self._starts.append(len(data))

    def candidate(self, number: int) -> Candidate:
        """One of them, as mechanisms take it."""
        data = self._data[self._starts[number] : self._starts[number + 1]]
        kind_type, culprit, count = data[:_HEAD]
        text = self._vocabulary.texts
        mechanism, scope = self._frame
        tokens = data[_HEAD : _HEAD + count]
        return Candidate(
            number,
            GroupingInput(
                mechanism=mechanism,
                scope=scope,
                signature="",
                exact_key="",
                exception_type=text[kind_type],
                tokens=tuple([text[token >> 1] for token in tokens]),
                homes=tuple([text[home] for home in data[_HEAD + count : _HEAD + 2 * count]]),
                in_app=tuple([bool(token & 1) for token in tokens]),
                words=tuple(data[_HEAD + 2 * count :]),
                culprit=text[culprit],
            ),
        )

    def candidates(self, numbers: Iterable[int]) -> list[Candidate]:
        """Some of them."""
        return [self.candidate(number) for number in numbers]


class Vocabulary:
    """Every distinct text once, with a number."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """The number of a text, a new one for a new text."""
        known = self._numbers.get(text)
        if known is None:
            known = self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return known
