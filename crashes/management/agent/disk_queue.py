"""Reports that wait to be sent, one file each, written so that a power cut loses none.

    1732270000123-6-<report id>.json    a report: its JSON, and which losses it tells of
    attachments/<report id>/<sha256>    large files that belong to it
    uploads/<report id>.json            accepted; the server wants these files of it
    dead/                               what the server will never take, for whoever looks into it
    losses.json                         what had to be thrown away and nobody was told yet
    state.json                          token, failures in a row, and when to try again

A name starts with the moment of queueing in milliseconds and the report's rank, so the order and
the next victim are known without opening a file. The queue has a limit of bytes, of entries and of
age. When it is full, the lowest rank goes first and in it the oldest; what ends the whole system
(kernel panics, watchdogs, native crashes of the system) is never thrown away for want of room: then
the newcomer is refused. Every loss is counted by reason and told to the server with the next
report, and told once: a report is bound to the losses it tells of before it is sent.
"""

import contextlib
import fcntl
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from crashes.storage import write_durably

QUEUE_FULL = "queue_full"
TOO_OLD = "too_old"
TOO_LARGE = "too_large"
STORAGE_ERROR = "storage_error"

ORDER_OF_LOSS = (
    "strict_mode", "wtf", "low_memory_kill", "background_kill", "error", "anr", "java_crash",
    "native_crash", "reboot",
)  # fmt: skip
PRECIOUS = len(ORDER_OF_LOSS)

_NAME = re.compile(r"(\d{13,15})-(\d)-([0-9a-f-]{36})\.json")
_MOST_DEAD = 50
_ORPHANED_AFTER_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How much may wait, and how long."""

    size_bytes: int = 50 << 20
    entries: int = 2_000
    age_seconds: float = 14 * 86_400.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One waiting report. `size_bytes` is `body_bytes` and its attachments."""

    path: Path
    queued_at: float
    rank: int
    report_id: str
    body_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A file that follows a report by itself."""

    sha256: str
    content: bytes


@dataclass(frozen=True, slots=True)
class PendingUpload:
    """Files that the server wants of an accepted report: SHA-256 in their order.

    `failures` counts the tries since it was last asked to come later, `not_before` when that is over.
    """

    report_id: str
    sha256s: tuple[str, ...]
    since: float
    failures: int = 0
    not_before: float = 0.0


def rank_of(document: Mapping[str, Any]) -> int:
    """How late a report is thrown away; `PRECIOUS` for never."""
    kind = str(document.get("kind"))
    app = document.get("app")
    package = app.get("package") if isinstance(app, dict) else None
    if kind not in ORDER_OF_LOSS or (kind == "native_crash" and not package):
        return PRECIOUS
    return ORDER_OF_LOSS.index(kind)


class DiskQueue:
    """The queue in one folder. Several processes may add to it; one delivers (`delivering`)."""

    def __init__(
        self, folder: Path, *, clock: Callable[[], float], limits: QueueLimits = QueueLimits()
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._limits = limits
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # it holds the device's token
        self._remove_orphans()

    # Adding

    def add(self, document: Mapping[str, Any], files: Sequence[AttachedFile] = ()) -> bool:
        """Keep a report until it is delivered; False when there was no room for it."""
        report_id, rank = str(UUID(str(document["report_id"]))), rank_of(document)
        data = _packed({"report": document, "losses": None})
        size = len(data) + sum(len(file.content) for file in files)
        with self._locked():
            if not self._make_room(size, rank):
                self._count_loss(TOO_LARGE if size > self._limits.size_bytes else QUEUE_FULL)
                return False
            for file in files:
                write_durably(self.file_path(report_id, file.sha256), file.content)
            name = f"{int(self._clock() * 1000):013d}-{rank}-{report_id}.json"
            write_durably(self._folder / name, data)
        return True

    def _make_room(self, size: int, rank: int) -> bool:
        entries = self.entries()
        used = sum(entry.size_bytes for entry in entries) + self._uploads_bytes()
        victims = sorted(
            (entry for entry in entries if entry.rank <= rank and entry.rank < PRECIOUS),
            key=lambda entry: (entry.rank, entry.path.name),
        )
        going: list[Entry] = []
        while (
            used + size > self._limits.size_bytes
            or len(entries) - len(going) >= self._limits.entries
        ):
            if len(going) == len(victims):
                return False
            going.append(victims[len(going)])
            used -= going[-1].size_bytes
        for entry in going:
            self._lose(entry, QUEUE_FULL)
        return True

    # Looking

    def entries(self) -> list[Entry]:
        """What waits to be sent, oldest first."""
        found = (self._entry(path) for path in sorted(self._folder.glob("*-*.json")))
        return [entry for entry in found if entry is not None]

    def _entry(self, path: Path) -> Entry | None:
        parts = _NAME.fullmatch(path.name)
        if parts is None:
            return None
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return None
        millis, rank, report_id = parts.groups()
        files = sum(_size(file) for file in self._files_folder(report_id).glob("*"))
        return Entry(path, int(millis) / 1000, int(rank), report_id, size, size + files)

    def read(self, entry: Entry) -> dict[str, Any] | None:
        """The report of an entry; None for one that the disk has damaged, which is then lost."""
        wrapped = _json_file(entry.path)
        report = wrapped.get("report")
        if isinstance(report, dict):
            return report
        with self._locked():
            if entry.path.exists():  # else another process needed its room
                self._lose(entry, STORAGE_ERROR)
        return None

    def uploads(self) -> list[PendingUpload]:
        """What the server wants of accepted reports."""
        return [
            PendingUpload(
                report_id=path.stem,
                sha256s=tuple(document.get("sha256s", ())),
                since=float(document.get("since", 0.0)),
                failures=int(document.get("failures", 0)),
                not_before=float(document.get("not_before", 0.0)),
            )
            for path in sorted((self._folder / "uploads").glob("*.json"))
            for document in [_json_file(path)]
        ]

    def file_path(self, report_id: str, sha256: str) -> Path:
        """Where an attachment is."""
        return self._files_folder(report_id) / sha256

    # Delivering

    @contextlib.contextmanager
    def delivering(self) -> Iterator[bool]:
        """True for the one process that may deliver now; the others had better leave."""
        with (self._folder / ".delivery").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def bind_losses(self, entry: Entry) -> None:
        """Let this report tell of what was lost, once, however often it is sent."""
        with self._locked():
            losses = self._losses()
            wrapped = _json_file(entry.path)
            if not losses["counts"] or not isinstance(wrapped.get("report"), dict):
                return
            if wrapped["losses"] is not None and wrapped["losses"] != losses["number"]:
                return  # it tells of earlier ones; the next report tells of these
            if wrapped["losses"] is None:
                wrapped["report"]["discarded"] = losses["counts"]
                wrapped["losses"] = losses["number"]
                write_durably(entry.path, _packed(wrapped))
            self._keep_losses(losses["number"] + 1, {})

    def settle(self, entry: Entry, wanted: Sequence[str]) -> None:
        """The server has the report; what it wants of its files stays."""
        here = tuple(sha for sha in wanted if self.file_path(entry.report_id, sha).exists())
        with self._locked():
            if here:
                self._keep_upload(PendingUpload(entry.report_id, here, self._clock()))
            else:
                self._drop_files(entry.report_id)
            entry.path.unlink(missing_ok=True)

    def keep_upload(self, upload: PendingUpload) -> None:
        """What is left of the files of a report; with none, all of them go."""
        with self._locked():
            if upload.sha256s:
                self._keep_upload(upload)
                return
            (self._folder / "uploads" / f"{upload.report_id}.json").unlink(missing_ok=True)
            self._drop_files(upload.report_id)

    def _keep_upload(self, upload: PendingUpload) -> None:
        document = {
            "sha256s": upload.sha256s,
            "since": upload.since,
            "failures": upload.failures,
            "not_before": upload.not_before,
        }
        path = self._folder / "uploads" / f"{upload.report_id}.json"
        write_durably(path, _packed(document))

    def bury(self, entry: Entry) -> None:
        """The server will never take it: out of the way, and kept for whoever looks into it."""
        dead = self._folder / "dead"
        dead.mkdir(exist_ok=True, mode=0o700)
        with self._locked():
            self._take_losses_back(entry)
            with contextlib.suppress(FileNotFoundError):
                entry.path.rename(dead / entry.path.name)
            self._drop_files(entry.report_id)
            for path in sorted(dead.glob("*.json"))[:-_MOST_DEAD]:
                path.unlink(missing_ok=True)

    def lose(self, reason: str, *, count: int = 1) -> None:
        """Count what was thrown away outside of the queue."""
        with self._locked():
            self._count_loss(reason, count)

    def drop_old(self) -> None:
        """Throw away what is older than the limit."""
        oldest = self._clock() - self._limits.age_seconds
        with self._locked():
            for entry in self.entries():
                if entry.queued_at < oldest:
                    self._lose(entry, TOO_OLD)

    def purge(self) -> int:
        """The owner said no: nothing stays, dead or alive, nor a count of it; how many went."""
        with self._locked():
            entries = self.entries()
            for entry in entries:
                entry.path.unlink(missing_ok=True)
            for name in ("attachments", "uploads", "dead"):
                shutil.rmtree(self._folder / name, ignore_errors=True)
            (self._folder / "losses.json").unlink(missing_ok=True)
        return len(entries)

    # State

    def load_state(self) -> dict[str, Any]:
        """What `save_state` kept; empty at first."""
        return _json_file(self._folder / "state.json")

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Keep a small document beside the queue, readable by its owner only."""
        write_durably(self._folder / "state.json", _packed(state))

    # Losing, under the lock

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _lose(self, entry: Entry, reason: str) -> None:
        self._take_losses_back(entry)
        self._count_loss(reason)
        entry.path.unlink(missing_ok=True)
        self._drop_files(entry.report_id)

    def _take_losses_back(self, entry: Entry) -> None:
        """What an entry would have told of is told by another."""
        wrapped = _json_file(entry.path)
        report = wrapped.get("report")
        if wrapped.get("losses") is None or not isinstance(report, dict):
            return
        for reason, count in report.get("discarded", {}).items():
            self._count_loss(reason, count)

    def _count_loss(self, reason: str, count: int = 1) -> None:
        losses = self._losses()
        counts = losses["counts"]
        self._keep_losses(losses["number"], counts | {reason: counts.get(reason, 0) + count})

    def _losses(self) -> dict[str, Any]:
        return {"number": 0, "counts": {}} | _json_file(self._folder / "losses.json")

    def _keep_losses(self, number: int, counts: Mapping[str, int]) -> None:
        document = {"number": number, "counts": counts}
        write_durably(self._folder / "losses.json", _packed(document))

    # Files

    def _files_folder(self, report_id: str) -> Path:
        return self._folder / "attachments" / report_id

    def _drop_files(self, report_id: str) -> None:
        shutil.rmtree(self._files_folder(report_id), ignore_errors=True)

    def _uploads_bytes(self) -> int:
        return sum(
            _size(path)
            for upload in self.uploads()
            for path in self._files_folder(upload.report_id).glob("*")
        )

    def _remove_orphans(self) -> None:
        """Files of a report that was not written any more: their writer died in between."""
        known = {entry.report_id for entry in self.entries()}
        known |= {upload.report_id for upload in self.uploads()}
        before = self._clock() - _ORPHANED_AFTER_SECONDS
        for folder in (self._folder / "attachments").glob("*"):
            if folder.name not in known and folder.stat().st_mtime < before:
                shutil.rmtree(folder, ignore_errors=True)


def _packed(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _json_file(path: Path) -> dict[str, Any]:
    """The object in a file; empty when there is none to be read."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
