"""`manage.py add_debug_files PATH…`: symbols of a build into the platform's store."""

import json
import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone
from tqdm import tqdm

from crashes.services.bulk_symbols import BulkFile, add_files
from crashes.services.local_symbols import walk_files
from crashes.services.symbol_tables import prepare_debug_file
from crashes.services.symbols import DebugFileRefused, Registration, name_mapping
from crashes.tasks import ring_symbols
from devices.services.access import get_or_create_program
from uxp_diag.commands import DatabaseCommand

_IGNORED = "not_a_debug_file"
_LISTED = 50


class Command(DatabaseCommand):
    """Register debug files."""

    help = (
        "Register debug files (ELF, .sym, mapping.txt), those in zips, and all that lie below "
        "folders. Prints one JSON line per file that is one; a file known by its build id is not "
        "read whole. Stopped in between it goes on where it was when started again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which files, for whom."""
        parser.add_argument("--program", default="User Experience Program")
        parser.add_argument(
            "--wait", action="store_true", help="make the symcaches now, not in a worker"
        )
        parser.add_argument("--package", help="the app that the mappings belong to")
        parser.add_argument("--version-code", type=int, help="the version of that app")
        parser.add_argument(
            "--threads",
            type=int,
            default=min(8, 2 * (os.cpu_count() or 1)),
            help="how many files are copied at once",
        )
        parser.add_argument("paths", nargs="+", metavar="PATH")

    def handle(self, *args: Any, **options: Any) -> None:
        """Walk, identify, register, and tell in the end what could not be."""
        del args
        if (options["package"] is None) != (options["version_code"] is None):
            raise CommandError("--package and --version-code belong together.")
        if options["threads"] < 1:
            raise CommandError("--threads wants one or more.")
        paths = [Path(name) for name in options["paths"]]
        for path in paths:
            if not path.exists():
                raise CommandError(f"{path} does not exist.")
        self._options = options
        self._counts = dict.fromkeys(("created", "known", "refused", "ignored"), 0)
        self._refused: list[str] = []
        try:
            self._add(list(walk_files(paths)))
        except KeyboardInterrupt:
            raise CommandError("Stopped. Start it again, and it goes on from here.") from None
        except DebugFileRefused as problem:  # the quota
            raise CommandError(problem.detail) from None
        finally:
            self._sum_up()

    def _add(self, files: list[Path]) -> None:
        now = timezone.now()
        program = get_or_create_program(self._options["program"], now=now)
        added = add_files(
            files,
            program_id=program.pk,
            now=now,
            threads=self._options["threads"],
            skips_known=self._options["package"] is None,  # a known mapping may get a new version
        )
        with tqdm(
            total=len(files), unit="file", disable=not sys.stderr.isatty(), smoothing=0.05
        ) as bar:
            size_bytes = 0
            for one in added:
                size_bytes += one.size_bytes
                bar.set_postfix_str(f"{size_bytes / 1e6:.0f} MB seen", refresh=False)
                bar.update("!" not in one.name)
                line = self._line(one)
                if line is not None:
                    self.stdout.write(json.dumps(line))

    def _line(self, one: BulkFile) -> dict[str, Any] | None:
        if one.registration:
            return self._registered(one.name, one.registration)
        if one.known_build_id:
            self._counts["known"] += 1
            return {"file": one.name, "build_id": one.known_build_id, "status": "known"}
        if one.code == _IGNORED:
            self._counts["ignored"] += 1
            return None
        self._counts["refused"] += 1
        self._refused.append(f"{one.name}: {one.detail or one.code}")
        return {"file": one.name, "status": "refused", "code": one.code}

    def _registered(self, name: str, registration: Registration) -> dict[str, Any]:
        debug_file = registration.debug_file
        if self._options["package"] is not None:
            name_mapping(
                debug_file.pk,
                package=self._options["package"],
                version_code=self._options["version_code"],
                now=timezone.now(),
            )
        state = debug_file.state
        if self._options["wait"]:
            state = prepare_debug_file(debug_file.pk).state
        elif registration.is_new:
            ring_symbols(debug_file.pk)
        status = "created" if registration.is_new else "known"
        self._counts[status] += 1
        return {
            "file": name,
            "build_id": debug_file.build_id,
            "kind": debug_file.kind,
            "arch": debug_file.arch,
            "status": status,
            "state": str(state),
        }

    def _sum_up(self) -> None:
        counts = ", ".join(f"{count} {status}" for status, count in self._counts.items())
        self.stderr.write(f"{counts}")
        for line in self._refused[:_LISTED]:
            self.stderr.write(f"  refused: {line}")
        if len(self._refused) > _LISTED:
            self.stderr.write(f"  and {len(self._refused) - _LISTED} more, see above")
