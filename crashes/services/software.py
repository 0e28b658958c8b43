"""Which builds and versions there are, in the order in which their first reports arrived."""

from collections.abc import Iterable

from crashes.models import BuildSeen, Report, VersionSeen
from crashes.stack import Crash
from uxp_diag.db import insert_new

_LARGEST = 2**63 - 1


def note_software(reports: Iterable[tuple[Report, Crash]]) -> None:
    """Write down the builds and versions of a batch that are new.

    Nearly always none is, and two look-ups are all. Runs inside a transaction, before any issue is
    locked: whoever inserts a row waits for others with the same one, in the order of the rows.
    """
    builds: dict[tuple[int, str, str], BuildSeen] = {}
    versions: dict[tuple[int, str, int], VersionSeen] = {}
    for row, crash in reports:
        if row.os_build:
            key = (row.program_id, row.model, row.os_build)
            seen = builds.setdefault(
                key,
                BuildSeen(
                    program_id=row.program_id,
                    model=row.model,
                    os_build=row.os_build,
                    first_seen_at=row.received_at,
                ),
            )
            seen.first_seen_at = min(seen.first_seen_at, row.received_at)
        code, package = crash.version_code, (crash.package or "")[:200]
        if package and code is not None and 0 <= code <= _LARGEST:
            version = versions.setdefault(
                (row.program_id, package, code),
                VersionSeen(
                    program_id=row.program_id,
                    package=package,
                    version_code=code,
                    version_name=(crash.version_name or "")[:100],
                    first_seen_at=row.received_at,
                ),
            )
            version.first_seen_at = min(version.first_seen_at, row.received_at)
    _add_builds(builds)
    _add_versions(versions)


def _add_builds(builds: dict[tuple[int, str, str], BuildSeen]) -> None:
    if not builds:
        return
    known = BuildSeen.objects.filter(
        program_id__in={key[0] for key in builds}, os_build__in={key[2] for key in builds}
    )
    missing = builds.keys() - set(known.values_list("program_id", "model", "os_build"))
    insert_new(
        [builds[key] for key in sorted(missing)],
        conflict=["program_id", "model", "os_build"],
        returning=["id"],
    )


def _add_versions(versions: dict[tuple[int, str, int], VersionSeen]) -> None:
    if not versions:
        return
    known = VersionSeen.objects.filter(
        program_id__in={key[0] for key in versions},
        package__in={key[1] for key in versions},
        version_code__in={key[2] for key in versions},
    )
    missing = versions.keys() - set(known.values_list("program_id", "package", "version_code"))
    insert_new(
        [versions[key] for key in sorted(missing)],
        conflict=["program_id", "package", "version_code"],
        returning=["id"],
    )
