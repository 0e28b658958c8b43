"""How fast text is scrubbed, beside the list of expressions that people write first.

The naive list has one expression of Python per kind, run one after the other over the whole text. It
looks at no check digit and no word around a number, so it also takes times, sizes and versions.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from crashes.management.benchmarks.corpus import make_corpus
from crashes.management.benchmarks.terms import (
    OURS,
    Benchmark,
    Contest,
    Row,
    Side,
    Terms,
)
from crashes.stack import PayloadFormat
from devices.scrubbing import scrub_binary, scrub_text

NAIVE = "a list of expressions"
_EXPRESSIONS = tuple(
    re.compile(pattern)
    for pattern in (
        rb"\b\d{15,16}\b",
        rb"\b89\d{16,18}\b",
        rb"\+?\d[\d \-()]{8,14}\d",
        rb"(?i)\b(?:[0-9a-f]{2}[:\-]){5}[0-9a-f]{2}\b",
        rb"[\w.+\-]+@[\w\-]+\.[\w.\-]+",
        rb"\b\d{1,3}(?:\.\d{1,3}){3}\b",
        rb"(?i)\b(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}\b",
        rb"(?i)(?:ssid|bluetooth.?name)\s*[:=]\s*\"?[^\",\n]+",
        rb"(?i)(?:token|password|secret|api_?key)[\"']?\s*[:=]\s*[\"']?[^\s\"'&]+",
        rb"-?\d{1,3}\.\d{4,},\s?-?\d{1,3}\.\d{4,}",
        rb"/storage/emulated/\d+/\S+",
    )
)
_Work = Callable[[bytes], object]


@contextmanager
def prepare_scrubbing(terms: Terms) -> Iterator[Contest]:
    """The payloads of the demo fleet as they are, and each kind of file in one piece."""
    reports = make_corpus(terms.size(600, quick=150)).reports
    text = [one.payload for one in reports if one.format is not PayloadFormat.TOMBSTONE_PROTO]
    dumps = [one.payload for one in reports if one.format is PayloadFormat.TOMBSTONE_PROTO]
    pieces = {"reports": text, "one long text": [b"\n".join(text)], "binary": dumps or text}
    sides: dict[str, Side] = {
        OURS: partial(_measured, pieces, scrub_text, scrub_binary),
        NAIVE: partial(_measured, pieces, _naive, _naive),
    }
    yield Contest(sides, [Row(name, name, "MB/CPU s", peer=NAIVE, target=10) for name in pieces])


def _measured(
    pieces: Mapping[str, Sequence[bytes]], of_text: _Work, of_binary: _Work
) -> dict[str, float]:
    measures = {}
    for name, some in pieces.items():
        work = of_binary if name == "binary" else of_text
        began = time.process_time()
        for piece in some:
            work(piece)
        seconds = max(time.process_time() - began, 1e-6)
        measures[name] = sum(map(len, some)) / 1e6 / seconds
    return measures


def _naive(data: bytes) -> bytes:
    for expression in _EXPRESSIONS:
        data = expression.sub(b"<x>", data)
    return data


BENCHMARKS = (Benchmark("scrubbing", "what identifies a person, taken out", prepare_scrubbing),)
