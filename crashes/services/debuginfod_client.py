"""A debuginfod server of somebody else, asked for one file at a time.

The only hosts that are ever spoken to are those of the addresses in the settings. A redirect to
anywhere else, to a private address for instance or from https to http, is refused, and a password in
an address is sent to that server alone. A file comes as a stream that ends with an error when it
gets larger or takes longer than it may; nothing is unpacked on the way.
"""

import base64
import http.client
import io
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, cast
from urllib.parse import unquote, urlsplit, urlunsplit

_SILENCE_SECONDS = 30.0
_MOST_REDIRECTS = 3
_NOT_THERE = frozenset({404, 406, 410})

_EXAMPLE = "An address of a debuginfod server is like https://host/path."

Origin = tuple[str, str, int]


class NotThere(Exception):
    """The server answered, and has no such file."""


class ServerTrouble(Exception):
    """There is no answer, or none that can be used; the text is for the log."""


class BadServerAddress(Exception):
    """The text is no address of a debuginfod server."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What one file may cost."""

    size_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class DebuginfodServer:
    """One server; `host` is for people, `origin` what is spoken to."""

    url: str
    authorization: str | None
    origin: Origin

    @property
    def host(self) -> str:
        """The name of the machine, without password and path."""
        return self.origin[1]


def server_at(address: str) -> DebuginfodServer:
    """The server of an address, with a password in it or not. Raises BadServerAddress."""
    try:
        parts = urlsplit(address)
        origin = _origin(address)
    except ValueError:
        raise BadServerAddress(_EXAMPLE) from None
    if origin is None:
        raise BadServerAddress(_EXAMPLE)
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = f"Basic {base64.b64encode(pair.encode()).decode()}"
    place = parts.netloc.rpartition("@")[2]
    url = urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", ""))
    return DebuginfodServer(url, authorization, origin)


class DebuginfodClient:
    """Asks some servers, in the order in which they are named."""

    def __init__(self, servers: Iterable[DebuginfodServer], limits: FetchLimits) -> None:
        self.servers = tuple(servers)
        self._limits = limits
        redirects = _Redirects(frozenset(server.origin for server in self.servers))
        # Not build_opener: it would bring file: and ftp: with it.
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(),  # the environment's proxy, where there is no other way
            urllib.request.HTTPHandler(),
            urllib.request.HTTPSHandler(context=ssl.create_default_context()),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.HTTPDefaultErrorHandler(),
            redirects,
        ):
            self._opener.add_handler(handler)

    @contextmanager
    def open(self, server: DebuginfodServer, build_id: str, part: str) -> Iterator[IO[bytes]]:
        """The file as a stream. Raises NotThere, ServerTrouble; reading raises ServerTrouble."""
        request = urllib.request.Request(f"{server.url}/buildid/{build_id}/{part}")  # noqa: S310
        request.add_header("Accept-Encoding", "identity")
        request.add_header("User-Agent", "uxp_diag")
        if server.authorization is not None:
            request.add_unredirected_header("Authorization", server.authorization)
        deadline = time.monotonic() + self._limits.seconds
        with _troubles():
            answer = self._opener.open(request, timeout=min(_SILENCE_SECONDS, self._limits.seconds))
        if answer is None:  # no handler knows the scheme
            raise ServerTrouble("the address is of no kind that is asked")
        with answer:
            if answer.headers.get("Content-Encoding", "identity") != "identity":
                raise ServerTrouble("the answer is packed, which was not asked for")
            size_bytes = self._limits.size_bytes
            with suppress(ValueError):
                if int(answer.headers.get("Content-Length", 0)) > size_bytes:
                    raise ServerTrouble(f"the file has more than {size_bytes} bytes")
            yield cast("IO[bytes]", _Bounded(answer, size_bytes, deadline))


class _Bounded(io.RawIOBase):
    """An answer, read piece by piece as it comes, with an end to patience."""

    def __init__(self, answer: http.client.HTTPResponse, size_bytes: int, deadline: float) -> None:
        self._answer = answer
        self._left = size_bytes
        self._deadline = deadline

    def read(self, size: int = -1) -> bytes:
        if time.monotonic() > self._deadline:
            raise ServerTrouble("the file takes too long")
        with _troubles():
            data = self._answer.read1(size)
            is_short = not data and bool(self._answer.length)
        if is_short:
            raise ServerTrouble("the connection broke off")
        self._left -= len(data)
        if self._left < 0:
            raise ServerTrouble("the file is larger than it may be")
        return data


@contextmanager
def _troubles() -> Iterator[None]:
    try:
        yield
    except urllib.error.HTTPError as problem:
        problem.close()
        if problem.code in _NOT_THERE:
            raise NotThere from None
        raise ServerTrouble(f"the answer was {problem.code}") from None
    except urllib.error.URLError as problem:
        raise ServerTrouble(str(problem.reason)) from None
    except (OSError, http.client.HTTPException) as problem:
        raise ServerTrouble(str(problem) or type(problem).__name__) from None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Redirects to the named servers and nowhere else."""

    max_redirections = max_repeats = _MOST_REDIRECTS

    def __init__(self, allowed: frozenset[Origin]) -> None:
        self._allowed = allowed

    def redirect_request(  # noqa: PLR0917  urllib's own signature
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if _origin(newurl) not in self._allowed:
            raise ServerTrouble("the answer leads to a host that the settings do not name")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _origin(address: str) -> Origin | None:
    """Scheme, host and port of an address; None for what is no web address."""
    parts = urlsplit(address)
    ports = {"http": 80, "https": 443}
    if parts.scheme not in ports or not parts.hostname:
        return None
    return parts.scheme, parts.hostname.lower(), parts.port or ports[parts.scheme]
