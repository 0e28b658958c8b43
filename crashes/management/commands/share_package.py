"""`manage.py share_package`: a developer partner may see the released counts of a package."""

import json
from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from crashes.services.noise import SharingUnavailable
from crashes.services.sharing import (
    AlreadyReleased,
    UnknownPartner,
    grant_package,
    release_week,
    revoke_package,
)
from devices.services.access import get_or_create_program
from uxp_diag.commands import DatabaseCommand


class Command(DatabaseCommand):
    """Grant or revoke a package, or release a week by hand."""

    help = (
        "Let a developer partner see the weekly counts of a package, or take that back. Weeks are "
        "released by themselves, two days after they are over; --week releases one now, once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which package, with whom."""
        parser.add_argument("package")
        parser.add_argument("--with", dest="username", help="the partner's user name")
        parser.add_argument("--revoke", action="store_true", help="take it back")
        parser.add_argument("--week", type=date.fromisoformat, help="a Monday, as 2026-11-16")
        parser.add_argument("--program", default="User Experience Program")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one JSON line."""
        del args
        now = timezone.now()
        program = get_or_create_program(options["program"], now=now)
        package, username, week = options["package"], options["username"], options["week"]
        if not username and week is None:
            raise CommandError("Say --with USER, or --week MONDAY.")
        done: dict[str, Any] = {"package": package}
        try:
            if username and options["revoke"]:
                done["revoked"] = revoke_package(program.pk, package, username)
            elif username:
                grant_package(program.pk, package, username, now=now)
                done["granted"] = username
            if week is not None:
                if week.weekday() != 0:
                    raise CommandError("--week has to be a Monday.")
                row = release_week(program_id=program.pk, package=package, week=week, now=now)
                done |= {
                    "week": week.isoformat(),
                    "counts": row.counts.count(),
                    "epsilon": row.epsilon,
                    "delta": row.delta,
                }
        except UnknownPartner as problem:
            raise CommandError(str(problem)) from None
        except AlreadyReleased as problem:
            raise CommandError(f"Released already, and only once: {problem}.") from None
        except SharingUnavailable as problem:
            raise CommandError(str(problem)) from None
        self.stdout.write(json.dumps(done))
