"""`manage.py make_user`: a person who may sign in, with a role in a program."""

from argparse import ArgumentParser
from getpass import getpass
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.utils import timezone

from devices.services.access import ensure_user, get_or_create_program
from uxp_diag.commands import DatabaseCommand
from uxp_diag.roles import Role


class Command(DatabaseCommand):
    """Make a person, or bring one up to date."""

    help = "Make a person with a role, or change the role and password of one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Who, and what for."""
        parser.add_argument("username")
        parser.add_argument("--role", required=True, choices=[role.value for role in Role])
        parser.add_argument("--program", default="User Experience Program")
        parser.add_argument("--password", help="asked for when not given")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make the person."""
        del args
        try:
            password = options["password"] or getpass("Password: ")
            validate_password(password)
        except EOFError:
            raise CommandError("Give a --password, or one line on standard input.") from None
        except ValidationError as problem:
            raise CommandError(" ".join(problem.messages)) from None
        program = get_or_create_program(options["program"], now=timezone.now())
        ensure_user(
            options["username"], role=Role(options["role"]), program=program, password=password
        )
        self.stdout.write(f"{options['username']} is {options['role']} in {program.name}")
