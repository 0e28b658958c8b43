"""The fleet at the server's door: enrollment, debug files, reports.

Several threads send, each over a connection of its own; one generates. Only a few items are ever
waiting, so a slow server slows the generator instead of filling memory.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from tqdm import tqdm

from crashes.management.client import Answer, ServerUnreachable, UploadClient
from crashes.management.fleet.native import WITHOUT_DEBUG_FILE
from crashes.management.fleet.population import Device, enrollment_of
from crashes.management.fleet.programs import Program
from crashes.management.fleet.scenario import PlannedReport
from crashes.stack import PayloadFormat

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_WAITING_PER_THREAD = 4
_TOKEN_OF = dict[int, str]


class EnrollmentRefused(Exception):
    """The server does not let the fleet in; the message says why."""


@dataclass(slots=True)
class Summary:
    """What became of the reports: (kind, status) to count; refusals by code."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, status: str, code: str | None) -> None:
        """Count one report."""
        self.outcomes[kind, status] += 1
        if code is not None:
            self.codes[code] += 1

    def count(self, status: str) -> int:
        """How many reports of all kinds had this outcome."""
        return sum(number for (_, said), number in self.outcomes.items() if said == status)


class FleetSender:
    """Sends one fleet to one server. Use as a context manager: it owns threads and sockets."""

    def __init__(
        self, url: str, *, key: str, threads: int = 8, with_progress: bool | None = None
    ) -> None:
        UploadClient(url).close()  # a bad address is told here, not in every thread
        self._url, self._key, self._threads = url, key, threads
        self._is_quiet = None if with_progress is None else not with_progress
        self._local = threading.local()
        self._clients: list[UploadClient] = []
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="fleet")

    def __enter__(self) -> "FleetSender":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        for client in self._clients:
            client.close()

    def enroll(self, devices: Sequence[Device], *, now: datetime) -> _TOKEN_OF:
        """Enroll every phone: number to device token. Raises EnrollmentRefused."""

        def one(device: Device) -> Answer:
            return self._client().enroll(enrollment_of(device, given_at=now), key=self._key)

        tokens: _TOKEN_OF = {}
        for device, answer in self._each(devices, one, total=len(devices), unit="phones"):
            if not answer.is_ok:
                raise EnrollmentRefused(f"{answer.status} {answer.code}: {_detail(answer)}")
            tokens[device.number] = str(answer.document["device_token"])
        return tokens

    def send_debug_files(
        self, programs: Mapping[tuple[str, int], Program], *, token: str
    ) -> list[tuple[str, Answer]]:
        """Hand in the debug files that a build server would; file names with their answers."""
        wanted = [
            program for (source, _), program in programs.items() if source not in WITHOUT_DEBUG_FILE
        ]

        def one(program: Program) -> Answer:
            content = program.debug_file
            return self._client().send_debug_file(f"{program.name}.debug", content, token=token)

        sent = self._each(wanted, one, total=len(wanted), unit="debug files")
        return [(program.name, answer) for program, answer in sent]

    def send_vitals(
        self,
        devices: Sequence[Device],
        tokens: Mapping[int, str],
        samples_of: Callable[[Device], Iterable[Mapping[str, Any]]],
    ) -> Counter[str]:
        """Hand in every phone's samples, one call per phone; samples by status or code."""

        def one(device: Device) -> Answer:
            token = tokens[device.number]
            return self._client().send_vitals(samples_of(device), credential=token)

        said: Counter[str] = Counter()
        for _, answer in self._each(devices, one, total=len(devices), unit="phones' vitals"):
            results = answer.document.get("results")
            if answer.is_ok and isinstance(results, list):
                said.update(str(result.get("code") or result["status"]) for result in results)
            else:
                said[answer.code] += 1
        return said

    def send_reports(
        self, reports: Iterable[PlannedReport], tokens: Mapping[int, str], *, total: int
    ) -> Summary:
        """Hand in the reports in their order, several at a time."""

        def one(report: PlannedReport) -> Answer:
            return self._send(report, tokens[report.device.number])

        summary = Summary()
        for report, answer in self._each(reports, one, total=total, unit="reports"):
            kind = str(report.document["kind"])
            if answer.is_ok:
                summary.add(kind, str(answer.document.get("status")), None)
            else:
                summary.add(kind, "rejected", answer.code)
        return summary

    def _send(self, report: PlannedReport, token: str) -> Answer:
        document, payload = body_of(report)
        try:
            return self._client().send_report(document, payload, credential=token)
        except ServerUnreachable:
            return Answer(0, {"code": "unreachable"})

    def _client(self) -> UploadClient:
        """The client of this thread."""
        client: UploadClient | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = UploadClient(self._url)
            self._clients.append(client)
        return client

    def _each(
        self, items: Iterable[_Item], work: Callable[[_Item], _Result], *, total: int, unit: str
    ) -> Iterator[tuple[_Item, _Result]]:
        """Every item with its result, in order, with a progress bar."""
        with tqdm(total=total, unit=f" {unit}", disable=self._is_quiet) as bar:
            waiting: deque[tuple[_Item, Future[_Result]]] = deque()
            for item in items:
                waiting.append((item, self._pool.submit(work, item)))
                if len(waiting) >= self._threads * _WAITING_PER_THREAD:
                    yield _finished(waiting, bar)
            while waiting:
                yield _finished(waiting, bar)


def _finished(
    waiting: "deque[tuple[_Item, Future[_Result]]]", bar: "tqdm[Any]"
) -> tuple[_Item, _Result]:
    item, future = waiting.popleft()
    result = future.result()
    bar.update()
    return item, result


def body_of(report: PlannedReport) -> tuple[dict[str, Any], bytes | None]:
    """The report's JSON and, for a format that is no text, the payload beside it."""
    dump = report.dump
    if dump.is_binary:
        return report.document, dump.content
    payload: dict[str, Any] = {"format": dump.format.value}
    if dump.format is not PayloadFormat.NONE:
        payload["text"] = dump.content.decode()
    return {**report.document, "payload": payload}, None


def _detail(answer: Answer) -> str:
    return str(answer.document.get("detail") or "no detail")
