#!/usr/bin/env python
"""Django's command line for the project."""

import json
import os
import sys


def main() -> None:
    """Run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "uxp_diag.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as problem:
        if sys.argv[1:2] != ["doctor"]:
            raise
        finding = {"part": "configuration", "state": "failed", "seen": str(problem), "advice": ""}
        line = f"failed   configuration  {problem}"
        sys.stdout.write((json.dumps([finding]) if "--json" in sys.argv else line) + "\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
