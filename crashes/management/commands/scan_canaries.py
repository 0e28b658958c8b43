"""Look for planted values in everything that this installation keeps, or plant them."""

import json
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from crashes.management.canaries.scanning import scan
from crashes.management.canaries.sending import send_canaries
from crashes.management.canaries.values import VALUES, needles


class Command(BaseCommand):
    """Without `--send` it reads only; it ends with 1 when it has found something."""

    help = (
        "Search all bytes of the data folder, the database, Redis and the files named for fourteen planted "
        "values in every form: one JSON line per leak, then a summary. With --send, first be a phone that sends them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to look at beside this installation's own places."""
        parser.add_argument("paths", nargs="*", type=Path, help="logs and other files or folders")
        parser.add_argument(
            "--send", action="store_true", help="send the values to --url instead of looking"
        )
        parser.add_argument(
            "--url", default="http://127.0.0.1:8000", help="address of the platform"
        )
        parser.add_argument("--key", default="", help="an ingest key, for --send")

    def handle(self, *args: Any, **options: Any) -> None:
        """Send or scan."""
        del args
        if options["send"]:
            statuses = send_canaries(options["url"], options["key"])
            self.stdout.write(json.dumps({"sent": len(statuses), "statuses": statuses}))
            return
        own = [Path(settings.SPOOL_DIR).parent, Path(tempfile.gettempdir()) / "uxp"]
        paths = [path for path in [*own, *options["paths"]] if path.exists()]
        leaks = list(dict.fromkeys(scan(paths)))
        for leak in leaks:
            self.stdout.write(
                json.dumps({"kind": leak.kind, "form": leak.form, "place": leak.place})
            )
        self.stdout.write(
            json.dumps({"values": len(VALUES), "forms": len(needles()), "leaks": len(leaks)})
        )
        if leaks:
            raise CommandError(f"{len(leaks)} places hold planted values.")
