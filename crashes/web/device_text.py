r"""Text of devices made safe to look at: what would be invisible or reorder the line is shown.

A device may send anything: terminal escapes, characters that turn the reading direction around,
characters without a width. Escaping keeps them from being markup; this keeps them from lying.

    "cat \x1b[31mred\x1b[0m"   cat ⟨ESC⟩[31mred⟨ESC⟩[0m
    "gpj.\u202efdp.exe"        gpj.⟨RLO⟩fdp.exe
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_COMMON = {
    "\0": "NUL",
    "\a": "BEL",
    "\b": "BS",
    "\t": "TAB",
    "\n": "LF",
    "\v": "VT",
    "\f": "FF",
    "\r": "CR",
    "\x1b": "ESC",
    "\x7f": "DEL",
    "\u200b": "ZWSP",
    "\u202a": "LRE",
    "\u202b": "RLE",
    "\u202d": "LRO",
    "\u202e": "RLO",
    "\u2066": "LRI",
    "\u2067": "RLI",
    "\ufeff": "BOM",
}
"""What people call the characters they meet."""

_LAYOUT = "\n\t"
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters that have no width or no ink although their category says otherwise.
_BLANK = frozenset("\u00a0\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text as it is, or the mark of one character that is not. `meaning` explains a mark."""

    text: str
    meaning: str = ""


def pieces(text: str, *, is_multiline: bool = False) -> Iterator[Piece]:
    """The text, cut where a character has to be shown by a mark."""
    kept = _LAYOUT if is_multiline else ""
    start = 0
    for position, letter in enumerate(text):
        if letter in kept or not is_hidden(letter):
            continue
        if position > start:
            yield Piece(text[start:position])
        yield Piece(
            mark(letter), f"U+{ord(letter):04X} {unicodedata.name(letter, '').lower()}".strip()
        )
        start = position + 1
    if start < len(text):
        yield Piece(text[start:])


def visible(text: str) -> str:
    """The text with marks, as plain text for attributes and titles."""
    if text.isprintable() and text.isascii():
        return text
    return "".join(piece.text for piece in pieces(text))


def is_hidden(letter: str) -> bool:
    """Whether a character has no ink of its own."""
    return letter in _BLANK or unicodedata.category(letter) in _INVISIBLE


def mark(letter: str) -> str:
    """What is shown instead of a character without ink."""
    return f"⟨{_COMMON.get(letter, f'U+{ord(letter):04X}')}⟩"
