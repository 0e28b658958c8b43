"""Inner jobs of the grouping benchmarks: made-up stacks, grouped in memory and in a database.

A group is a bug of one app: some fifteen frames of its own above ten of a framework that all apps
share. Of the events that are measured, seven of ten repeat a stored stack exactly, two of ten
differ from one in a few frames, and one of ten is new. All are of one app, so that nothing but the
index keeps them apart.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, TypeAlias, TypeVar

from crashes.grouping.engine import Grouper
from crashes.grouping.mechanisms import v2
from crashes.grouping.records import prepare_record
from crashes.grouping.values import GroupingInput

_FRAMEWORK = 300
_OWN_FRAMES = 15
_SHARED_FRAMES = 10
_WORDS = (
    "cart", "order", "photo", "track", "login", "sync", "store", "route", "ticket", "message",
    "profile", "setting", "wallet", "camera", "record", "search", "filter", "album", "device",
)  # fmt: skip
_VERBS = ("load", "bind", "parse", "apply", "merge", "fetch", "draw", "open", "close", "update")
_CHUNK = 200
ALL_PAIRS_KEPT = 50_000
_Item = TypeVar("_Item")


def make_stack(number: int, *, changed: int = 0) -> dict[str, Any]:
    """The record of one group's stack; `changed` other frames of its own than usual."""
    random = Random(f"group {number}")  # noqa: S311  made up, not secret
    own = [_own_frame(random) for _ in range(_OWN_FRAMES)]
    shared = [_shared_frame(random.randrange(_FRAMEWORK)) for _ in range(_SHARED_FRAMES)]
    other = Random(f"change {number} {changed}")  # noqa: S311  made up, not secret
    for _ in range(changed):
        own[other.randrange(1, _OWN_FRAMES)] = _own_frame(other)
    kinds = ("IllegalState", "NullPointer", "IndexOutOfBounds", "ClassCast", "IllegalArgument")
    return {
        "id": str(number),
        "corpus": "bench",
        "app": "app",
        "exc": f"java.lang.{random.choice(kinds)}Exception",
        "msg": f"no {random.choice(_WORDS)} for {random.randrange(1000)}",
        "frames": own + shared,
    }


def _own_frame(random: Random) -> dict[str, Any]:
    package, name = random.choice(_WORDS), random.choice(_WORDS).title()
    part, verb = random.randrange(40), random.choice(_VERBS)
    file = f"{name}{part}.java"
    function = f"com.example.{package}.{name}{part}.{verb}{random.choice(_WORDS).title()}"
    return {"f": function, "p": file, "l": random.randrange(1, 900)}


def _shared_frame(number: int) -> dict[str, Any]:
    function = f"androidx.framework.part{number % 17}.Runner{number}.dispatch"
    return {"f": function, "p": f"Runner{number}.java", "l": number}


def prepare_stack(number: int) -> GroupingInput:
    """What `prepare_record` makes of the record of one group's stack, but for the explanation.

    A million are wanted before anything is measured, and these names need no normalizing, so
    frames are put into a stack that was prepared from the same type and message.
    """
    record = make_stack(number)
    tokens = tuple(frame["f"] for frame in record["frames"])
    if any(inner == outer for inner, outer in pairwise(tokens)):
        return prepare_record(record)  # recursion is collapsed
    alike = _prepared(record["exc"], record["msg"].rsplit(" ", 1)[0])
    own = tokens[:_OWN_FRAMES]
    return replace(
        alike,
        exact_key=v2.exact_key(f"managed/{alike.scope}", alike.exception_type, own),
        signature="",
        tokens=tokens,
        homes=tuple(token.rpartition(".")[0] for token in tokens),
        explanation=(),
    )


@lru_cache
def _prepared(kind: str, said: str) -> GroupingInput:
    return prepare_record({**make_stack(0), "exc": kind, "msg": f"{said} 1"})


def _events(groups: int, count: int, seed: int) -> Iterator[dict[str, Any]]:
    random = Random(f"events {seed}")  # noqa: S311  made up, not secret
    for number in range(count):
        drawn = random.random()
        if drawn < 0.7:  # noqa: PLR2004
            yield make_stack(random.randrange(groups))
        elif drawn < 0.9:  # noqa: PLR2004
            yield make_stack(random.randrange(groups), changed=3 + seed)
        else:
            yield make_stack(groups * (2 + seed) + number)


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


Measure: TypeAlias = Callable[..., dict[str, float]]


def group_in_memory(groups: int) -> Measure:
    """An index of so many groups; the answer times events."""
    grouper = Grouper()
    grouper.assign("first", prepare_record(make_stack(groups)))
    before = _resident_bytes()
    for number in range(groups):
        grouper.learn(str(number), prepare_stack(number))
    grown = _resident_bytes() - before

    def measure(events: int, seed: int) -> dict[str, float]:
        times = _timed(
            (prepare_record(record) for record in _events(groups, events, seed)),
            lambda item: grouper.assign(f"{seed} {id(item)}", item),
        )
        return {**times, "bytes_per_group": grown / groups}

    return measure


def group_in_database(groups: int) -> Measure:
    """The same through the service, each event in a transaction of its own."""
    from django.db import transaction  # noqa: PLC0415  only this job knows Django

    for start in range(0, groups, _CHUNK):
        numbers = range(start, min(start + _CHUNK, groups))
        with transaction.atomic():
            _place_all([prepare_record(make_stack(number)) for number in numbers])

    def measure(events: int, seed: int) -> dict[str, float]:
        items = (prepare_record(record) for record in _events(groups, events, seed))
        return _timed(items, transaction.atomic(_place))

    return measure


def _timed(items: Iterable[_Item], work: Callable[[_Item], object]) -> dict[str, float]:
    """Median and 99th percentile of the processor time that each item takes."""
    seconds = []
    for item in items:
        began = time.process_time()
        work(item)
        seconds.append(time.process_time() - began)
    ranked = sorted(seconds)
    return {
        "median_us": ranked[len(ranked) // 2] * 1e6,
        "p99_us": ranked[min(int(len(ranked) * 0.99), len(ranked) - 1)] * 1e6,
    }


def _place(item: GroupingInput) -> None:
    _place_all([item])


def _place_all(items: list[GroupingInput]) -> None:
    from crashes.services.grouping import Occurrence, Placer  # noqa: PLC0415  needs Django

    now = datetime(2026, 11, 20, tzinfo=UTC)
    occurrence = Occurrence(1, "java_crash", "com.example", "V3.420", now)
    placer = Placer((item, occurrence) for item in items)
    for item in items:
        placer.place(item, occurrence, now=now)
    placer.flush()


def compare_all_pairs(groups: int) -> Measure:
    """What a script with rapidfuzz does: compare with every stored stack, take the best.

    Its cost is a multiple of how many are stored; of very many a part is compared and the rest
    is reckoned.
    """
    from rapidfuzz import fuzz, process  # noqa: PLC0415  only here

    kept = min(groups, ALL_PAIRS_KEPT)
    stored = [_text(make_stack(number)) for number in range(kept)]

    def measure(events: int, seed: int) -> dict[str, float]:
        texts = (_text(record) for record in _events(groups, events, seed))
        times = _timed(texts, lambda text: process.extractOne(text, stored, scorer=fuzz.ratio))
        return {name: value * groups / kept for name, value in times.items()}

    return measure


def _text(record: dict[str, Any]) -> str:
    return "\n".join(frame["f"] for frame in record["frames"])
