"""`manage.py add_debug_files PATH…`: symbols of a build into the platform's store."""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from crashes.services.local_symbols import identify_file, walk_files
from crashes.services.symbol_tables import prepare_debug_file
from crashes.services.symbols import DebugFileRefused, has_debug_file, register_debug_file
from crashes.tasks import ring_symbols
from devices.services.access import get_or_create_program


class Command(BaseCommand):
    """Register debug files."""

    help = (
        "Register debug files (ELF, .sym, mapping.txt) and all that lie below folders. Prints one "
        "JSON line per file that is one; a file known by its build id is not read whole."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which files, for whom."""
        parser.add_argument("--program", default="User Experience Program")
        parser.add_argument(
            "--wait", action="store_true", help="make the symcaches now, not in a worker"
        )
        parser.add_argument("paths", nargs="+", metavar="PATH")

    def handle(self, *args: Any, **options: Any) -> None:
        """Walk, identify, register."""
        del args
        paths = [Path(name) for name in options["paths"]]
        for path in paths:
            if not path.exists():
                raise CommandError(f"{path} does not exist.")
        program = get_or_create_program(options["program"], now=timezone.now())
        files = list(walk_files(paths))
        for path in tqdm(files, unit="file", disable=not sys.stderr.isatty()):
            line = self._add(path, program.pk, wait=options["wait"])
            if line is not None:
                self.stdout.write(json.dumps(line))

    def _add(self, path: Path, program_id: int, *, wait: bool) -> dict[str, Any] | None:
        facts = identify_file(path)
        if facts is None:
            return None
        if has_debug_file(facts, program_id=program_id, size_bytes=path.stat().st_size):
            return {"file": str(path), "build_id": facts["build_id"], "status": "known"}
        try:
            with path.open("rb") as file:
                registration = register_debug_file(
                    file, name=path.name, program_id=program_id, now=timezone.now()
                )
        except DebugFileRefused as problem:
            return {"file": str(path), "status": "refused", "code": problem.code}
        debug_file = registration.debug_file
        state = debug_file.state
        if wait:
            state = prepare_debug_file(debug_file.pk).state
        elif registration.is_new:
            ring_symbols(debug_file.pk)
        return {
            "file": str(path),
            "build_id": debug_file.build_id,
            "kind": debug_file.kind,
            "arch": debug_file.arch,
            "status": "created" if registration.is_new else "known",
            "state": str(state),
        }
