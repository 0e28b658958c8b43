"""Why a report is where it is, in words: the grouping receipt for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_DECISIONS = {
    "exact": "An identical stack was seen before, so this report went to the issue of that stack.",
    "fuzzy": "The stack is new, but so like a known one that it joined the issue of that one.",
    "evidence": "Another report of the same occurrence shows it better; this one went along with it.",
    "new": "No known stack was like this one, so the report opened the issue.",
}


@dataclass(frozen=True, slots=True)
class ReceiptView:
    """The decision in a sentence, its numbers, and the steps that led there."""

    decision: str
    mechanism: str
    score: str
    threshold: str
    next_best: str
    steps: tuple[str, ...]
    aligned: tuple[tuple[str, str], ...] = ()
    """Frames in common with the stack that it was compared with, and their shares of the score."""


def receipt_view(receipt: Mapping[str, Any] | None) -> ReceiptView | None:
    """The receipt for a page; None when nothing was decided yet."""
    if receipt is None:
        return None
    next_best = receipt.get("next_best")
    return ReceiptView(
        decision=_DECISIONS.get(receipt.get("matched", ""), "The mechanism left no sentence."),
        mechanism=str(receipt.get("mechanism", "")),
        score=_number(receipt.get("score")),
        threshold=_number(receipt.get("threshold")),
        next_best=_number(next_best[1]) if next_best else "",
        steps=tuple(str(step) for step in receipt.get("explanation", ())),
        aligned=tuple(
            (str(name), _number(share)) for _, _, name, share in receipt.get("aligned", ())
        ),
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
