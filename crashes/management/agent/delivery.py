"""Deliver what waits: one step at a time, each doing what the server's answer asks for.

| answer | means | the agent |
|---|---|---|
| 200 | durable, line by line | forgets accepted, duplicate; buries rejected; notes what is wanted |
| 400, 415, 422 | cannot be read | halves the batch until one report is left, buries that, and says so in one small report |
| 401, 403 | token unknown or revoked | enrolls again, once a day at most |
| 403 `consent_withdrawn` | the owner said no | forgets everything and stops |
| 413 | too large | halves the batch; gives up a report or an attachment that is too large alone |
| 429, 503 | too much, or trouble | waits for `Retry-After` at least, and keeps everything |
| none, and all others | trouble | waits: full jitter from 30 seconds up to 6 hours |

What is known about waiting and the token is on disk, so a new process is as patient as the one
before. A batch is named after the reports in it, so the same batch sent again has the same name.
Attachments are asked about before each first piece and go on where the server has stopped.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from crashes.management.agent.backoff import CAP_SECONDS, FullJitter
from crashes.management.agent.disk_queue import (
    STORAGE_ERROR,
    TOO_LARGE,
    TOO_OLD,
    DiskQueue,
    Entry,
    PendingUpload,
)
from crashes.management.client import Answer, Packing, ServerUnreachable, UploadClient

logger = logging.getLogger(__name__)

MAX_LINES = 500
MAX_BATCH_BYTES = 4 << 20
PIECE_BYTES = 1 << 20
OWN_PROCESS = "diagnostics_agent"
"""What the agent's reports about itself name as their process."""

_BACKOFF = FullJitter()
_DAY_SECONDS = 86_400.0
_UPLOAD_AGE_SECONDS = 3 * _DAY_SECONDS
_UNREADABLE = frozenset({400, 415, 422})
_UNKNOWN = frozenset({401, 403})
_DONE = frozenset({"accepted", "duplicate"})


class Outcome(StrEnum):
    """Why a delivery ended."""

    EMPTY = "empty"
    WAITING = "waiting"
    STOPPED = "consent_withdrawn"
    BUSY = "busy"


@dataclass(slots=True)
class Delivery:
    """What one delivery did. `wait_seconds` is when it would make sense to come again."""

    outcome: Outcome = Outcome.EMPTY
    wait_seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    attachments: int = 0


@dataclass(frozen=True, slots=True)
class _Wait:
    """Nothing can be done for so many seconds."""

    seconds: float


class _Stop(Exception):
    """The owner withdrew consent."""


class Agent:
    """Delivers one queue to one server; see the module.

    `client` should make one attempt per call, as patience is here. `enroll` asks for a new device
    token with what only the caller knows; without it a token that is refused is waited for. With
    `must_enroll` nothing is sent before the first enrollment, else `credential` serves until then.
    """

    def __init__(
        self,
        client: UploadClient,
        queue: DiskQueue,
        *,
        credential: str,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        enroll: Callable[[], Answer] | None = None,
        must_enroll: bool = False,
        backoff: FullJitter = _BACKOFF,
        packing: Packing = "gzip",
        boot_id: str = "",
    ) -> None:
        self._client, self._queue = client, queue
        self._credential, self._enroll, self._must_enroll = credential, enroll, must_enroll
        self._clock, self._sleep, self._backoff = clock, sleep, backoff
        self._packing: Packing = packing
        self._boot_id = boot_id
        self._most = MAX_LINES

    def flush(self, *, patience_seconds: float = 0.0) -> Delivery:
        """Deliver until nothing waits, or until waiting would exceed the patience."""
        delivery = Delivery()
        with self._queue.delivering() as is_mine:
            if not is_mine:
                delivery.outcome = Outcome.BUSY
                return delivery
            try:
                self._flush(delivery, patience_seconds)
            except _Stop:
                delivery.outcome = Outcome.STOPPED
        return delivery

    def _flush(self, delivery: Delivery, patience_seconds: float) -> None:
        has_told = False
        while True:
            step = self._step(delivery)
            if step is None:
                if not delivery.codes or has_told:
                    return
                has_told = True
                self._queue.add(_about(delivery.codes, self._now()))
            elif step.seconds > patience_seconds:
                delivery.outcome, delivery.wait_seconds = Outcome.WAITING, step.seconds
                return
            elif step.seconds > 0:
                patience_seconds -= step.seconds
                self._sleep(step.seconds)

    def _step(self, delivery: Delivery) -> _Wait | None:
        """One call or none; how long to wait then, or None when nothing is left to do."""
        state = self._queue.load_state()
        wait = min(float(state.get("not_before", 0.0)) - self._clock(), CAP_SECONDS)
        if wait > 0:
            return _Wait(wait)
        if self._must_enroll and not state.get("token"):
            return _Wait(0.0) if self._enrolled() else self._trouble(Answer(0))
        self._queue.drop_old()
        batch = self._next_batch()
        if batch:
            return self._send_batch(batch, delivery)
        if self._queue.entries():  # the disk has damaged all that were looked at
            return _Wait(0.0)
        return self._send_files(delivery)

    # Reports

    def _next_batch(self) -> list[tuple[Entry, dict[str, Any]]]:
        """The oldest reports that fit into one body; the first tells of what was lost."""
        batch: list[tuple[Entry, dict[str, Any]]] = []
        size = 0
        for entry in self._queue.entries():
            size += entry.body_bytes
            if batch and (len(batch) >= self._most or size > MAX_BATCH_BYTES):
                break
            if not batch:
                self._queue.bind_losses(entry)
            document = self._queue.read(entry)
            if document is not None:
                batch.append((entry, document))
        return batch

    def _send_batch(
        self, batch: Sequence[tuple[Entry, dict[str, Any]]], delivery: Delivery
    ) -> _Wait:
        entries = [entry for entry, _ in batch]
        sent_at = {"sent_at": self._now().isoformat(), "sent_boot_id": self._boot_id}
        lines = [_line(document | sent_at) for _, document in batch]
        answer = self._ask(
            lambda credential: self._client.send_batch(
                lines,
                batch_id=_batch_id(entries),
                credential=credential,
                packing=self._packing,
            )
        )
        results = answer.document.get("results")
        if answer.is_ok and isinstance(results, list) and len(results) == len(entries):
            self._settle(batch, results, delivery)
            return self._went_well()
        if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or _is_unreadable(answer):
            return self._narrow(batch, answer, delivery)
        return self._trouble(answer)

    def _settle(
        self,
        batch: Sequence[tuple[Entry, dict[str, Any]]],
        results: Sequence[Mapping[str, Any]],
        delivery: Delivery,
    ) -> None:
        for (entry, document), result in zip(batch, results, strict=True):
            status = str(result.get("status"))
            delivery.statuses[status] += 1
            if status in _DONE:
                self._queue.settle(entry, result.get("want") or ())
            elif result.get("code") == "consent_withdrawn":
                self._withdraw()
            else:
                self._bury(entry, document, str(result.get("code")), delivery)
        self._most = min(MAX_LINES, self._most * 2)

    def _narrow(
        self,
        batch: Sequence[tuple[Entry, dict[str, Any]]],
        answer: Answer,
        delivery: Delivery,
    ) -> _Wait:
        """Half of the batch next time; a report that is refused alone is the one to blame."""
        if len(batch) > 1:
            self._most = len(batch) // 2
            return _Wait(0.0)
        ((entry, document),) = batch
        delivery.statuses["rejected"] += 1
        if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            self._queue.lose(TOO_LARGE)
        self._bury(entry, document, answer.code, delivery)
        return self._went_well()

    def _bury(
        self, entry: Entry, document: Mapping[str, Any], code: str, delivery: Delivery
    ) -> None:
        self._queue.bury(entry)
        if document.get("process") != OWN_PROCESS:  # about its own reports it tells nothing
            delivery.codes[code] += 1

    # Attachments

    def _send_files(self, delivery: Delivery) -> _Wait | None:
        """The next file that the server wants; None when it wants none."""
        now = self._clock()
        uploads = sorted(self._queue.uploads(), key=lambda upload: upload.not_before)
        if not uploads:
            return None
        upload = uploads[0]
        if upload.not_before > now:
            return _Wait(min(upload.not_before - now, CAP_SECONDS))
        if now - upload.since > _UPLOAD_AGE_SECONDS:
            self._queue.lose(TOO_OLD, count=len(upload.sha256s))
            self._queue.keep_upload(replace(upload, sha256s=()))
            return _Wait(0.0)
        return self._send_file(upload, delivery)

    def _send_file(self, upload: PendingUpload, delivery: Delivery) -> _Wait:
        """All of one file, from where the server is."""
        sha256 = upload.sha256s[0]
        try:
            content = self._queue.file_path(upload.report_id, sha256).read_bytes()
        except OSError:
            return self._give_up(upload, STORAGE_ERROR)
        answer = self._ask(
            lambda credential: self._client.attachment_progress(
                upload.report_id, sha256, credential=credential
            )
        )
        answer = self._send_pieces(upload.report_id, sha256, content, answer)
        if answer.is_ok and answer.document.get("is_complete"):
            delivery.attachments += 1
            self._queue.keep_upload(replace(upload, sha256s=upload.sha256s[1:]))
            return self._went_well()
        return self._file_refused(upload, answer)

    def _send_pieces(self, report_id: str, sha256: str, content: bytes, answer: Answer) -> Answer:
        """The last answer, when all pieces are sent or one was not taken."""
        offset = -1
        while _goes_on(answer) and not answer.document.get("is_complete"):
            place = _place(answer)
            if place <= offset and answer.is_ok:  # it takes pieces and keeps nothing
                return Answer(0)
            if answer.status == HTTPStatus.CONFLICT and place == offset:
                return answer
            offset = place
            answer = self._send_piece(report_id, sha256, content, offset)
        return answer

    def _send_piece(self, report_id: str, sha256: str, content: bytes, offset: int) -> Answer:
        piece = content[offset : offset + PIECE_BYTES]
        return self._ask(
            lambda credential: self._client.send_attachment(
                report_id,
                sha256,
                piece,
                offset=offset,
                size_bytes=len(content),
                credential=credential,
            )
        )

    def _file_refused(self, upload: PendingUpload, answer: Answer) -> _Wait:
        if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return self._give_up(upload, TOO_LARGE)
        if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY and upload.failures:
            return self._give_up(upload, STORAGE_ERROR)
        if answer.status in {404, 422}:
            return self._later(upload)
        return self._trouble(answer)

    def _later(self, upload: PendingUpload) -> _Wait:
        """A file waits by itself: the server may not have adopted its report yet."""
        failures = upload.failures + 1
        pause = self._backoff.pause_seconds(failures)
        later = replace(upload, failures=failures, not_before=self._clock() + pause)
        self._queue.keep_upload(later)
        return _Wait(0.0)

    def _give_up(self, upload: PendingUpload, reason: str) -> _Wait:
        self._queue.lose(reason)
        self._queue.keep_upload(replace(upload, sha256s=upload.sha256s[1:], failures=0))
        return _Wait(0.0)

    # Answers

    def _ask(self, call: Callable[[str], Answer]) -> Answer:
        """The answer to a call; status 0 when there was none. Raises _Stop."""
        token = str(self._queue.load_state().get("token") or self._credential)
        try:
            answer = call(token)
        except ServerUnreachable as problem:
            logger.info("%s", problem)
            return Answer(0)
        if answer.code == "consent_withdrawn":
            self._withdraw()
        return answer

    def _withdraw(self) -> None:
        count = self._queue.purge()
        logger.warning("consent is withdrawn: %d reports are forgotten", count)
        raise _Stop

    def _went_well(self) -> _Wait:
        state = self._queue.load_state()
        if state.get("failures") or state.get("not_before"):
            self._queue.save_state(state | {"failures": 0, "not_before": 0.0})
        return _Wait(0.0)

    def _trouble(self, answer: Answer) -> _Wait:
        """Wait, or get a new token first when that is what it takes."""
        if answer.status in _UNKNOWN and answer.code != "consent_missing" and self._enrolled():
            return _Wait(0.0)
        state = self._queue.load_state()
        failures = int(state.get("failures", 0)) + 1
        pause = self._backoff.pause_seconds(failures, at_least=answer.retry_after_seconds)
        until = self._clock() + pause
        self._queue.save_state(state | {"failures": failures, "not_before": until})
        return _Wait(pause)

    def _enrolled(self) -> bool:
        """Whether there is a new token; the try is written down first, so it is one a day."""
        state = self._queue.load_state()
        now = self._clock()
        if self._enroll is None or 0 <= now - float(state.get("tried_at", 0.0)) < _DAY_SECONDS:
            return False
        self._queue.save_state(state | {"tried_at": now})
        try:
            answer = self._enroll()
        except ServerUnreachable:
            return False
        token = answer.document.get("device_token")
        if not answer.is_ok or not token:
            return False
        self._queue.save_state(state | {"tried_at": now, "token": str(token)})
        return True

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


def _goes_on(answer: Answer) -> bool:
    """Whether an answer about a file says where to go on."""
    return answer.is_ok or (
        answer.status == HTTPStatus.CONFLICT and answer.code == "offset_mismatch"
    )


def _place(answer: Answer) -> int:
    name = "received_bytes" if answer.is_ok else "expected_offset"
    return int(answer.document.get(name, 0))


def _is_unreadable(answer: Answer) -> bool:
    return answer.status in _UNREADABLE and not answer.document.get("retry")


def _batch_id(entries: Sequence[Entry]) -> str:
    return str(uuid5(NAMESPACE_URL, " ".join(entry.report_id for entry in entries)))


def _line(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _about(codes: Mapping[str, int], now: datetime) -> dict[str, Any]:
    """The small report about what the server would not take."""
    return {
        "report_id": str(uuid4()),
        "occurred_at": now.isoformat(),
        "kind": "error",
        "process": OWN_PROCESS,
        "payload": {"format": "none"},
        "annotations": {f"undelivered.{code[:60]}": str(count) for code, count in codes.items()},
    }
