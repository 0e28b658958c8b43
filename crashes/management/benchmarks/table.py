"""Results for people (one table) and for programs (JSON with every sample)."""

import os
import platform
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from crashes.management.benchmarks.terms import Outcome, Row

_HEADINGS = ("benchmark", "ours", "peer", "ratio", "unit", "note")
_RIGHT = frozenset({1, 2, 3})
_NOTHING = "-"
_WHOLE_FROM = 100.0
_TENTHS_FROM = 10.0
SCHEMA = 1


def as_table(outcomes: Sequence[Outcome]) -> str:
    """One aligned table: a line per row, a line per benchmark that could not run."""
    lines = [_HEADINGS, *(cells for outcome in outcomes for cells in _cells(outcome))]
    widths = [max(len(line[at]) for line in lines) for at in range(len(_HEADINGS))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(_aligned(line, widths) for line in lines)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    cells = (
        cell.rjust(width) if at in _RIGHT else cell.ljust(width)
        for at, (cell, width) in enumerate(zip(line, widths, strict=True))
    )
    return "  ".join(cells).rstrip()


def _cells(outcome: Outcome) -> Iterable[tuple[str, ...]]:
    if outcome.skipped:
        note = f"skipped: {outcome.skipped}"
        yield (outcome.benchmark, _NOTHING, _NOTHING, _NOTHING, "", note)
    for row in outcome.rows:
        ours, ratio = outcome.ours(row), outcome.ratio(row)
        yield (
            f"{outcome.benchmark}: {row.label}",
            number(ours),
            number(outcome.theirs(row)),
            _NOTHING if ratio is None else f"{number(ratio)}x",
            row.unit,
            _note(outcome, row),
        )


def _note(outcome: Outcome, row: Row) -> str:
    """Against whom, what we want, what else there is to say."""
    parts = []
    if row.side in outcome.missing:
        parts.append(f"no {row.side}: {outcome.missing[row.side]}")
    if row.peer is not None:
        reason = outcome.missing.get(row.peer)
        parts.append(f"no {row.peer} ({reason})" if reason else f"peer: {row.peer}")
    if row.target is not None:
        parts.append(f"target {'<=' if row.less_is_better else '>='} {number(row.target)}")
    return "; ".join([*parts, row.note] if row.note else parts)


def number(value: float | None) -> str:
    """A number as a person reads it: three digits that count, thousands apart."""
    if value is None:
        return _NOTHING
    if abs(value) >= _WHOLE_FROM:
        return f"{value:,.0f}"
    if abs(value) >= _TENTHS_FROM:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def as_document(outcomes: Sequence[Outcome], *, now: datetime, is_quick: bool) -> dict[str, Any]:
    """Everything that was measured, as JSON values."""
    return {
        "schema": SCHEMA,
        "date": now.isoformat(timespec="seconds"),
        "is_quick": is_quick,
        "machine": machine_facts(),
        "benchmarks": [_outcome_document(outcome) for outcome in outcomes],
    }


def machine_facts() -> dict[str, Any]:
    """What speed depends on; nothing that names the machine."""
    return {
        "cores": os.cpu_count(),
        "load_average": list(os.getloadavg()),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
    }


def _outcome_document(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.benchmark,
        "skipped": outcome.skipped or None,
        "seconds": round(outcome.seconds, 1),
        "missing": dict(outcome.missing),
        "rows": [_row_document(outcome, row) for row in outcome.rows],
        "samples": {
            side: {figure: list(values) for figure, values in figures.items()}
            for side, figures in outcome.samples.items()
        },
    }


def _row_document(outcome: Outcome, row: Row) -> dict[str, Any]:
    return {
        "label": row.label,
        "unit": row.unit,
        "side": row.side,
        "figure": row.figure,
        "ours": outcome.ours(row),
        "peer": row.peer,
        "peer_figure": row.peer and (row.peer_figure or row.figure),
        "theirs": outcome.theirs(row),
        "ratio": outcome.ratio(row),
        "less_is_better": row.less_is_better,
        "target": row.target,
        "note": row.note,
    }
