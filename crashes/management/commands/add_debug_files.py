"""`manage.py add_debug_files PATH…`: symbols of a build into the platform's store."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from crashes.services.debug_archives import is_archive, register_archive
from crashes.services.local_symbols import identify_file, walk_files
from crashes.services.symbol_tables import prepare_debug_file
from crashes.services.symbols import (
    DebugFileRefused,
    Registration,
    has_debug_file,
    name_mapping,
    register_debug_file,
)
from crashes.tasks import ring_symbols
from devices.services.access import get_or_create_program


class Command(BaseCommand):
    """Register debug files."""

    help = (
        "Register debug files (ELF, .sym, mapping.txt), those in zips, and all that lie below "
        "folders. Prints one JSON line per file that is one; a file known by its build id is not "
        "read whole."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which files, for whom."""
        parser.add_argument("--program", default="User Experience Program")
        parser.add_argument(
            "--wait", action="store_true", help="make the symcaches now, not in a worker"
        )
        parser.add_argument("--package", help="the app that the mappings belong to")
        parser.add_argument("--version-code", type=int, help="the version of that app")
        parser.add_argument("paths", nargs="+", metavar="PATH")

    def handle(self, *args: Any, **options: Any) -> None:
        """Walk, identify, register."""
        del args
        if (options["package"] is None) != (options["version_code"] is None):
            raise CommandError("--package and --version-code belong together.")
        paths = [Path(name) for name in options["paths"]]
        for path in paths:
            if not path.exists():
                raise CommandError(f"{path} does not exist.")
        self._options = options
        self._program = get_or_create_program(options["program"], now=timezone.now())
        files = list(walk_files(paths))
        for path in tqdm(files, unit="file", disable=not sys.stderr.isatty()):
            for line in self._add(path):
                self.stdout.write(json.dumps(line))

    def _add(self, path: Path) -> Iterator[dict[str, Any]]:
        with path.open("rb") as file:
            if is_archive(file):
                yield from self._add_archive(path, file)
                return
        facts = identify_file(path)
        if facts is None:
            return
        if self._is_known(facts, path):
            yield {"file": str(path), "build_id": facts["build_id"], "status": "known"}
            return
        try:
            with path.open("rb") as file:
                registration = register_debug_file(
                    file, name=path.name, program_id=self._program.pk, now=timezone.now()
                )
        except DebugFileRefused as problem:
            yield {"file": str(path), "status": "refused", "code": problem.code}
        else:
            yield self._registered(str(path), registration)

    def _is_known(self, facts: dict[str, Any], path: Path) -> bool:
        """Whether there is nothing to do; a mapping may get the name of a version of an app."""
        if self._options["package"] is not None:
            return False
        size_bytes = path.stat().st_size
        return has_debug_file(facts, program_id=self._program.pk, size_bytes=size_bytes)

    def _add_archive(self, path: Path, file: IO[bytes]) -> Iterator[dict[str, Any]]:
        """Those entries that are debug files; others are no mistake."""
        try:
            for entry in register_archive(file, program_id=self._program.pk, now=timezone.now()):
                if entry.registration:
                    yield self._registered(f"{path}!{entry.name}", entry.registration)
        except DebugFileRefused as problem:
            yield {"file": str(path), "status": "refused", "code": problem.code}

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
        return {
            "file": name,
            "build_id": debug_file.build_id,
            "kind": debug_file.kind,
            "arch": debug_file.arch,
            "status": "created" if registration.is_new else "known",
            "state": str(state),
        }
