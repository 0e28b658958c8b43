r"""What a JSON decoder lets pass and we do not: a key twice in one object, and deep nesting.

Of two values for one key decoders take the last, others the first; a document that can be read in
two ways is refused, wherever in it the repeat stands. One rule holds for everything that our own
agent sends: reports, vitals, enrollments, consents.

A full look at a report costs more than everything else at the door, so it is kept for where a count
is suspicious (`refuse_repeats`). A key ends with `"` and a colon, and in a document without repeats
there are as many of those as the decoder found keys. (A text that begins with a colon looks like
one more: then the tokens are walked.) Small documents are simply read again (`refuse_ambiguity`).
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NoReturn

MAX_DEPTH = 32
_MOST_TOKENS = 100_000
_SMALL_BYTES = 64 * 1024
_KEY_END = re.compile(rb'"[ \t\r\n]*:')
_TOKEN = re.compile(rb'("(?:[^"\\]++|\\.)*+")[ \t\r\n]*+(:?)|[{}\[\]]', re.DOTALL)
_QUOTE, _BACKSLASH = b'"\\'
_OPENING = b"{["


class NotStrict(Exception):
    """The document is JSON, and still nothing that we take."""


def refuse_ambiguity(document: bytes) -> None:
    """Raise NotStrict for JSON that has a key twice, 33 levels, or bytes that are no UTF-8.

    Those are what a decoder does not see in values that it skips.
    """
    try:
        text = document.decode()
    except UnicodeDecodeError:
        raise NotStrict("the document is not UTF-8") from None
    refuse_depth(document)
    if len(document) > _SMALL_BYTES:  # as objects it could take thirty times its size
        _look_for_repeats(document)
        return
    try:
        _small_decoder.decode(text)
    except (ValueError, RecursionError):
        raise NotStrict("the document is not JSON") from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise NotStrict("a key is there twice")


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


_small_decoder = json.JSONDecoder(
    object_pairs_hook=_without_repeats, parse_int=str, parse_float=str, parse_constant=_no_number
)


def refuse_repeats(document: bytes, *, keys: int, skipped: Sequence[bytes] = ()) -> None:
    """Raise NotStrict when an object has a key twice.

    `keys` is how many keys a decoder found outside of the values `skipped`, in which it found none.
    The document is valid JSON.
    """
    inside = [_count_key_ends(value) for value in skipped]
    for value, ends in zip(skipped, inside, strict=True):
        if ends > 1:
            _look_for_repeats(value)
    if _count_key_ends(document) - sum(inside) != keys:
        _look_for_repeats(document)


def refuse_depth(document: bytes) -> None:
    """Raise NotStrict when a valid JSON document has more than 32 levels."""
    if document.count(b"[") + document.count(b"{") > MAX_DEPTH and any(
        depth > MAX_DEPTH for depth, _ in _walk(document)
    ):
        raise NotStrict("the document is nested too deep")


def _count_key_ends(document: bytes) -> int:
    """At least as many as there are keys, up to 100,000."""
    found = islice(_KEY_END.finditer(document), _MOST_TOKENS)
    return sum(not _is_escaped(document, match.start()) for match in found)


def _is_escaped(document: bytes, at: int) -> bool:
    """Whether the quote at this place belongs to a text."""
    start = at
    while start and document[start - 1] == _BACKSLASH:
        start -= 1
    return (at - start) % 2 == 1


def _look_for_repeats(document: bytes) -> None:
    open_keys: list[set[bytes]] = [set()]
    for depth, key in _walk(document):
        del open_keys[depth + (key is not None) :]
        if key is None:
            open_keys.append(set())
        elif key in open_keys[depth]:
            raise NotStrict("a key is there twice")
        else:
            open_keys[depth].add(key)


def _walk(document: bytes) -> Iterator[tuple[int, bytes | None]]:
    """(depth, key) of every key and (depth, None) of whatever opens; 1 is the outermost.

    Raises NotStrict beyond 100,000 tokens: nobody looks at one document for so long.
    """
    depth = 0
    for number, token in enumerate(_TOKEN.finditer(document)):
        if number == _MOST_TOKENS:
            raise NotStrict("the document has too many parts")
        first = token[0][0]
        if first == _QUOTE:
            if token[2]:
                yield depth, _spelled_out(token[1])
        elif first in _OPENING:
            depth += 1
            yield depth, None
        else:
            depth -= 1


def _spelled_out(key: bytes) -> bytes:
    """A key without escapes."""
    return json.dumps(json.loads(key)).encode() if b"\\" in key else key
