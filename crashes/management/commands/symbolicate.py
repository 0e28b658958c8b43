"""`manage.py symbolicate`: names for the addresses of a tombstone, an ANR trace or a list.

With `--debug-files` it needs no database and works on folders, as ndk-stack does; without, it asks
the platform's own store.
"""

import json
import sys
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from crashes.services.local_symbols import FolderFinder
from crashes.services.sandboxes import sandbox
from crashes.services.symbols import store_finder
from crashes.stack import from_json, to_json
from crashes.symbolication.frames import symbolicate
from crashes.symbolication.ports import DebugFileFinder
from crashes.symbolication.text import name_text
from uxp_diag.commands import DatabaseCommand
from uxp_diag.sandbox import JobRefused, SandboxFailure


class Command(DatabaseCommand):
    """Put names into a dump."""

    help = (
        "Print a tombstone, ANR trace or `BUILD_ID ADDRESS` lines with function names, files and "
        "lines. With --json, one JSON line per frame of a dump."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to read, and where the symbols are."""
        parser.add_argument(
            "--debug-files",
            nargs="+",
            metavar="DIR",
            default=[],
            help="folders or files to take symbols from, instead of the store",
        )
        parser.add_argument("--program", type=int, default=1, help="whose store to ask")
        parser.add_argument("--json", action="store_true", help="frames as JSON lines")
        parser.add_argument("file", metavar="FILE", nargs="?", help="the dump; - is stdin")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, name, print."""
        del args
        if options["file"] is None:  # `--debug-files DIR FILE`: the option took the file as well
            *options["debug_files"], options["file"] = options["debug_files"] or ["-"]
        payload = _read(options["file"])
        with ExitStack() as stack:
            finder: DebugFileFinder
            if options["debug_files"]:
                folders = [Path(name) for name in options["debug_files"]]
                for folder in folders:
                    if not folder.exists():
                        raise CommandError(f"{folder} does not exist.")
                finder = stack.enter_context(FolderFinder(folders))
            else:
                finder = store_finder(options["program"], now=timezone.now())
            if options["json"]:
                self._print_frames(payload, finder)
            else:
                self._print_text(payload, finder)

    def _print_text(self, payload: bytes, finder: DebugFileFinder) -> None:
        named = name_text(payload.decode("utf-8", "replace"), find=finder)
        self.stdout.write(named.text, ending="")
        for build_id in named.missing_build_ids:
            self.stderr.write(f"no debug file for build id {build_id}")

    def _print_frames(self, payload: bytes, finder: DebugFileFinder) -> None:
        """One line per frame: a dump's thread and frame, or a pair's build id and address."""
        try:
            payload_format = sandbox().run("crashes.formats.jobs:sniff_job", payload)
            if payload_format is None:
                self._print_pairs(payload, finder)
                return
            parsed = sandbox().run("crashes.formats.jobs:parse_job", payload_format, payload)
        except JobRefused as problem:
            raise CommandError(f"{problem.code}: {problem}") from None
        except SandboxFailure as problem:
            raise CommandError(str(problem)) from None
        crash = symbolicate(from_json(parsed), find=finder).crash
        for thread in crash.threads:
            for frame in thread.frames:
                line = {"thread": thread.name, "tid": thread.tid, "crashing": thread.crashing}
                self.stdout.write(json.dumps(line | to_json(frame), ensure_ascii=False))

    def _print_pairs(self, payload: bytes, finder: DebugFileFinder) -> None:
        for number, line in enumerate(payload.decode("utf-8", "replace").splitlines(), start=1):
            if not line.strip():
                continue
            try:
                build_id, address_text = line.replace(",", " ").split()[:2]
                address = int(address_text, 16)
            except ValueError:
                raise CommandError(f"line {number} is no `BUILD_ID ADDRESS` pair") from None
            self.stdout.write(json.dumps(_pair(build_id.lower(), address, finder)))


def _pair(build_id: str, address: int, finder: DebugFileFinder) -> dict[str, Any]:
    symcache = finder.symcache_for(build_id, None)
    frames = symcache.lookup([address])[0] if symcache else ()
    names = symcache.names_at(address) if symcache else ()
    folded = {"folded_with": [n for n in names if n != frames[-1].function]} if names else {}
    return folded | {
        "build_id": build_id,
        "address": hex(address),
        "frames": [
            {
                "function": frame.function,
                "raw_function": frame.raw_function,
                "file": frame.file,
                "line": frame.line,
                "inlined": frame.inlined,
            }
            for frame in frames
        ],
    }


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}") from None
