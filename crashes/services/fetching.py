"""Missing debug files, asked for at other people's debuginfod servers.

Off until servers are named: a cell makes no connection of its own accord, and asking tells a server
which builds our phones run. Then the build ids that most reports wait for are asked first, a bounded
number in a bounded time. Before one is asked the row says when it may be asked again, which is later
every time: so two workers never ask for the same one, and what nobody has is asked for once a week.

What comes back is taken in like an upload: identified in the sandbox, and refused when it is not of
the build id that was asked for. A separate debug file seldom says how to unwind, so the program
itself is fetched along with it.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q

from crashes.models import DebugFile, MissingDebugFile
from crashes.services.debuginfod_client import (
    DebuginfodClient,
    DebuginfodServer,
    FetchLimits,
    NotThere,
    ServerTrouble,
    server_at,
)
from crashes.services.symbols import DebugFileRefused, Registration, register_debug_file

logger = logging.getLogger(__name__)

RUN_SECONDS = 60.0
"""No new build id is begun after so long."""
_FILE_SECONDS = 300.0
_FIRST_PAUSE = timedelta(minutes=15)
_LONGEST_PAUSE = timedelta(days=7)
_BUILD_ID = r"^([0-9a-f]{2}){8,32}$"
_MOST_CANDIDATES = 1_000
_DEBUG_INFO, _EXECUTABLE = "debuginfo", "executable"


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one build id; no registrations where nobody had it."""

    build_id: str
    reports: int
    registrations: tuple[Registration, ...] = ()
    host: str = ""


@cache
def upstream_client() -> DebuginfodClient:
    """Asks the servers of the settings. Raises BadServerAddress."""
    limits = FetchLimits(settings.DEBUGINFOD_FILE_BYTES, _FILE_SECONDS)
    return DebuginfodClient(map(server_at, settings.DEBUGINFOD_URLS), limits)


def fetch_missing_debug_files(
    client: DebuginfodClient, *, limit: int, now: datetime
) -> Iterator[Fetched]:
    """Ask for the most wanted build ids, one by one, as far as it is time to.

    A server that fails is not asked again in this run; without any server left the run ends.
    """
    servers = list(client.servers)
    began = time.monotonic()
    for row in _wanted(now)[:limit]:
        if not servers or time.monotonic() - began > RUN_SECONDS:
            return
        if _claim(row, now):
            yield _fetch(client, servers, row, now)


def _wanted(now: datetime) -> list[MissingDebugFile]:
    here = DebugFile.objects.filter(
        program_id=OuterRef("program_id"), build_id=OuterRef("build_id")
    ).exclude(state=DebugFile.State.UNUSABLE)
    may_be_asked = Q(ask_after=None) | Q(ask_after__lte=now)
    rows = MissingDebugFile.objects.filter(may_be_asked, ~Exists(here), build_id__regex=_BUILD_ID)
    return list(rows.order_by("-reports", "-pk")[:_MOST_CANDIDATES])


def _claim(row: MissingDebugFile, now: datetime) -> bool:
    """Whether it is ours to ask; nobody else does until the pause is over."""
    pause = min(_FIRST_PAUSE * 2 ** min(row.asks, 16), _LONGEST_PAUSE)
    unchanged = MissingDebugFile.objects.filter(pk=row.pk, asks=row.asks)
    return bool(unchanged.update(ask_after=now + pause, asks=F("asks") + 1))


def _fetch(
    client: DebuginfodClient,
    servers: list[DebuginfodServer],
    row: MissingDebugFile,
    now: datetime,
) -> Fetched:
    """Ask one server after the other; those that fail leave the list."""
    for server in tuple(servers):
        try:
            found = _fetch_from(client, server, row, now)
        except ServerTrouble as problem:
            logger.warning("debuginfod at %s: %s", server.host, problem)
            servers.remove(server)
            continue
        if found:
            logger.info("fetched %s from %s", row.build_id, server.host)
            return Fetched(row.build_id, row.reports, found, server.host)
    return Fetched(row.build_id, row.reports)


def _fetch_from(
    client: DebuginfodClient, server: DebuginfodServer, row: MissingDebugFile, now: datetime
) -> tuple[Registration, ...]:
    """Debug info, and the program where that cannot unwind. Raises ServerTrouble."""
    found = []
    for part in (_DEBUG_INFO, _EXECUTABLE):
        try:
            with client.open(server, row.build_id, part) as source:
                registration = register_debug_file(
                    source,
                    name=row.module or row.build_id,
                    program_id=row.program_id,
                    now=now,
                    build_id=row.build_id,
                    fetched_from=server.host,
                )
        except NotThere:
            continue
        except DebugFileRefused as problem:
            raise ServerTrouble(f"what came is refused ({problem.code})") from None
        found.append(registration)
        if registration.debug_file.facts.get("has_unwind"):
            break
    return tuple(found)
