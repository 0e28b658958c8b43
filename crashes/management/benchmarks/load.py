"""The client: requests that are ready, over connections that stay open.

One thread, no copies, nothing parsed but the length: a request costs it some 40 microseconds, so
that what is measured is the server. Closed loop: every connection sends its next request when it
has its answer. At a given rate, a request has a moment when it is due, and its latency counts from
there, so that a server which stalls cannot hide it (no coordinated omission).
"""

import selectors
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

CONNECTIONS = 16
_STALLED_SECONDS = 60.0


@dataclass(slots=True)
class Answers:
    """What came back. Latencies in seconds, statuses by code."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    last_body: bytes = b""

    @property
    def per_second(self) -> float:
        """Answers of 2xx a second."""
        return self.good / self.seconds if self.seconds else 0.0

    @property
    def good(self) -> int:
        """How many were 2xx."""
        return sum(count for status, count in self.statuses.items() if status // 100 == 2)  # noqa: PLR2004

    def percentile_ms(self, percent: float) -> float:
        """The latency that so many percent stay below, in milliseconds."""
        ranked = sorted(self.latencies)
        at = min(int(len(ranked) * percent / 100), len(ranked) - 1)
        return ranked[at] * 1000 if ranked else 0.0


def request_bytes(
    path: str, body: bytes, *, port: int, headers: dict[str, str] | None = None
) -> bytes:
    """One POST, ready to be sent."""
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class _Connection:
    """One kept-alive connection and the answer on its way in."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.buffer = bytearray()
        self.due = 0.0
        self.is_closing = False
        self.socket = self._opened()

    def _opened(self) -> socket.socket:
        opened = socket.create_connection(("127.0.0.1", self.port))
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened

    def send(self, request: bytes) -> None:
        """Send a whole request."""
        self.socket.sendall(request)

    def receive(self) -> tuple[int, bytes] | None:
        """Status and body when the answer is whole, else None. Raises ConnectionError."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(self.buffer[:end]).lower()
        body = _body(head, self.buffer, end + 4)
        if body is None:
            return None
        self.buffer.clear()
        self.is_closing = b"connection: close" in head
        return int(head[9:12]), body

    def reopen(self) -> None:
        """A new connection in place of one that the server gives up after its answer."""
        self.socket.close()
        self.socket = self._opened()
        self.is_closing = False


def _body(head: bytes, buffer: bytearray, start: int) -> bytes | None:
    """The body when it is whole. Nothing follows it, as requests are not sent ahead."""
    _, found, rest = head.partition(b"content-length:")
    if found:
        length = int(rest.split(b"\r\n", 1)[0])
        return bytes(buffer[start:]) if len(buffer) - start >= length else None
    if b"transfer-encoding: chunked" in head:
        return bytes(buffer[start:]) if buffer.endswith(b"0\r\n\r\n") else None
    return bytes(buffer[start:])


def send_all(
    requests: Sequence[bytes],
    *,
    port: int,
    connections: int = CONNECTIONS,
    per_second: float | None = None,
) -> Answers:
    """Send every request once: as fast as answers come, or at a rate. Raises ConnectionError."""
    return _Load(port, min(connections, len(requests))).run(requests, per_second)


class _Load:
    def __init__(self, port: int, connections: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._idle = [_Connection(port) for _ in range(connections)]
        for connection in self._idle:
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def run(self, requests: Sequence[bytes], per_second: float | None) -> Answers:
        answers = Answers()
        began = time.perf_counter()
        sent = 0
        try:
            while len(answers.latencies) < len(requests):
                sent = self._send_due(requests, sent, began, per_second)
                self._receive(answers, self._patience(sent, len(requests), began, per_second))
        finally:
            self._close()
        answers.seconds = time.perf_counter() - began
        return answers

    def _send_due(
        self, requests: Sequence[bytes], sent: int, began: float, per_second: float | None
    ) -> int:
        while self._idle and sent < len(requests):
            now = time.perf_counter()
            due = now if per_second is None else began + sent / per_second
            if due > now:
                break
            connection = self._idle.pop()
            connection.due = due
            connection.send(requests[sent])
            sent += 1
        return sent

    def _patience(self, sent: int, wanted: int, began: float, per_second: float | None) -> float:
        """How long to wait for answers before the next request is due."""
        if per_second is None or not self._idle or sent >= wanted:
            return _STALLED_SECONDS
        return max(began + sent / per_second - time.perf_counter(), 0.0)

    def _receive(self, answers: Answers, patience: float) -> None:
        ready = self._selector.select(patience)
        if not ready and patience >= _STALLED_SECONDS:
            raise ConnectionError(f"no answer within {patience:.0f} s")
        for key, _ in ready:
            connection: _Connection = key.data
            answer = connection.receive()
            if answer is None:
                continue
            status, answers.last_body = answer
            answers.latencies.append(time.perf_counter() - connection.due)
            answers.statuses[status] += 1
            if connection.is_closing:
                self._selector.unregister(connection.socket)
                connection.reopen()
                self._selector.register(connection.socket, selectors.EVENT_READ, connection)
            self._idle.append(connection)

    def _close(self) -> None:
        for key in list(self._selector.get_map().values()):
            key.data.socket.close()
        self._selector.close()
