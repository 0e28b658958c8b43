"""Group a file of stacks, as the platform would group the reports they came from.

Reads records in their given order, starts cold, compares only within the same corpus and app, and
writes one line per record: {"id", "group", "score", "ranked"}. Needs no database. A late crash may
link two groups that began apart, so answers wait in a temporary file until all records were read;
what stays in memory is the index, some five kilobytes a stack that was new.
"""

import gzip
import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from crashes.grouping.engine import Assignment, Grouper
from crashes.grouping.records import MalformedRecord, prepare_record

MOST_RANKED = 100


class Command(BaseCommand):
    """`manage.py group_stacks --input X.jsonl[.gz] --output Y.jsonl`."""

    help = "Group a JSON-lines file of stacks; labels in it are ignored."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where the records come from and where the groups go."""
        parser.add_argument("--input", default="-", help="JSON lines, .gz allowed; - is stdin")
        parser.add_argument("--output", default="-", help="JSON lines; - is stdout")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Group every record, then write the answers."""
        grouper = Grouper()
        with TemporaryFile("w+", encoding="utf-8") as waiting:
            try:
                with _reading(options["input"]) as lines:
                    for assignment in _assigned(grouper, lines):
                        waiting.write(json.dumps(_answer(assignment)) + "\n")
            except (OSError, MalformedRecord, ValueError) as problem:
                raise CommandError(str(problem)) from problem
            waiting.seek(0)
            with _writing(options["output"]) as output:
                for line in waiting:
                    answer = json.loads(line)
                    answer["group"] = grouper.root_of(answer["group"])
                    output.write(json.dumps(answer) + "\n")


def _reading(path: str) -> AbstractContextManager[TextIO]:
    if path == "-":
        return nullcontext(sys.stdin)
    if path.endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8")
    return Path(path).open(encoding="utf-8")


def _writing(path: str) -> AbstractContextManager[TextIO]:
    return nullcontext(sys.stdout) if path == "-" else Path(path).open("w", encoding="utf-8")


def _assigned(grouper: Grouper, lines: Iterable[str]) -> Iterator[Assignment]:
    """One assignment per line. Raises MalformedRecord with the number of the line."""
    shown = tqdm(lines, unit=" stacks", disable=None, file=sys.stderr)
    for number, line in enumerate(shown, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            yield grouper.assign(str(record["id"]), prepare_record(record))
        except (MalformedRecord, KeyError, TypeError, ValueError) as problem:
            raise MalformedRecord(f"line {number}: {problem}") from problem


def _answer(assignment: Assignment) -> dict[str, Any]:
    return {
        "id": assignment.id,
        "group": assignment.group,
        "score": round(assignment.score, 6),
        "ranked": list(assignment.ranked[:MOST_RANKED]),
    }
