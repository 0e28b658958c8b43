"""The chain of the audit: each entry names the hash of the one before it.

    number 1 → previous "" → hash h1
    number 2 → previous h1 → hash h2 …

A hash is SHA-256 over the canonical JSON of all that an entry says, its number and the previous hash
included. So an entry that was changed, swapped, taken out or put in breaks the chain at its place.
Entries that are two years old are taken off the front: before that, an entry (`forgotten`) writes
down the hash of the last one that goes, and the chain may begin behind it. Who owns the database can
make a whole chain anew, or cut its end off; that is why the newest hash leaves the machine every day.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum


class Action(StrEnum):
    """What was done."""

    REPORT = "report"
    DEVICE = "device"
    RAW_PAYLOAD = "raw_payload"
    ATTACHMENT = "attachment"
    RETRY = "retry"
    CREDENTIAL = "credential"
    ERASURE = "erasure"
    FORGOTTEN = "forgotten"


PURPOSES = {
    Action.REPORT: "finding the cause of a crash",
    Action.DEVICE: "finding the cause of a crash",
    Action.RAW_PAYLOAD: "finding the cause of a crash",
    Action.ATTACHMENT: "finding the cause of a crash",
    Action.RETRY: "finding the cause of a crash",
    Action.CREDENTIAL: "administration",
    Action.ERASURE: "request of an owner",
    Action.FORGOTTEN: "retention",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """Who looked at what, or did what with it.

    `subject` is the number of a report or of an erasure, the code of reports in quarantine, what
    was done with a credential, or for a look at a phone the alias that its data key makes; never the
    phone.
    """

    number: int
    at: datetime
    program_id: int | None
    by_name: str
    by_user_id: int | None
    action: str
    subject: str
    fields: tuple[str, ...]
    count: int
    previous: str
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the chain is whole: `bad_number` is the first entry that is not as it was."""

    entries: int
    head_number: int
    head_hash: str
    bad_number: int | None = None
    problem: str = ""


def hash_of_entry(entry: Entry) -> str:
    """The hash that belongs to what an entry says; in hexadecimal."""
    said = {**asdict(entry), "at": entry.at.astimezone(UTC).isoformat(), "hash": ""}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def verify_chain(entries: Iterable[Entry], *, head: tuple[int, str] | None = None) -> Verdict:
    """Go over all entries in their order. `head` is number and hash as they were told earlier."""
    first: Entry | None = None
    count, number, last = 0, 0, ""
    forgotten = {""}
    for entry in entries:
        if first is None:
            first, number, last = entry, entry.number - 1, entry.previous
        if problem := _problem_of(entry, number=number, previous=last, head=head):
            return Verdict(count, number, last, entry.number, problem)
        if entry.action == Action.FORGOTTEN:
            forgotten.add(entry.subject)
        count, number, last = count + 1, entry.number, entry.hash
    if first is not None and not _may_be_first(first, forgotten):
        return Verdict(count, number, last, first.number, "entries before it are missing")
    if head is not None and head[0] > number:
        return Verdict(count, number, last, number + 1, "it is missing")
    return Verdict(count, number, last)


def _problem_of(entry: Entry, *, number: int, previous: str, head: tuple[int, str] | None) -> str:
    """What is wrong with an entry behind the one with this number and hash; empty if nothing is."""
    if entry.number != number + 1:
        return f"entry {number + 1} is missing"
    if entry.previous != previous:
        return "it does not follow the entry before it"
    if entry.hash != hash_of_entry(entry):
        return "it was changed"
    if head is not None and head[0] == entry.number and head[1] != entry.hash:
        return "it is not the one that was told"
    return ""


def _may_be_first(entry: Entry, forgotten: set[str]) -> bool:
    return entry.previous in forgotten and (entry.number == 1) == (not entry.previous)
