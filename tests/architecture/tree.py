"""The project's own files, and commands run on them."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.conftest import ROOT

PACKAGES = ("crashes", "devices", "uxp_diag")
_IGNORED = {"__pycache__", "var", "node_modules"}


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file that git tracks or would add; without git, every file outside ignored folders."""
    try:
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        found = (path for path in ROOT.rglob("*") if _is_ours(path.relative_to(ROOT)))
    else:
        found = (ROOT / os.fsdecode(name) for name in listing.split(b"\0") if name)
    return tuple(sorted(path for path in found if path.is_file()))


def _is_ours(path: Path) -> bool:
    return not any(part in _IGNORED or part.startswith(".") for part in path.parts)


def files_under(*folders: str, suffix: str) -> Iterator[Path]:
    """The project's files of one kind below top-level folders."""
    for path in tracked_files():
        if path.suffix == suffix and path.relative_to(ROOT).parts[0] in folders:
            yield path


@cache
def source_trees() -> dict[str, ast.Module]:
    """The syntax trees of the product's modules, by path below the root."""
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_bytes())
        for path in files_under(*PACKAGES, suffix=".py")
    }


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command at the root; standard error comes with standard output."""
    return subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def run_module(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `python -m …` at the root."""
    return run(sys.executable, "-m", *arguments)


def manage(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `python manage.py …` with the product's own settings, in the test's data folder."""
    return run(
        sys.executable, ROOT / "manage.py", *arguments, DJANGO_SETTINGS_MODULE="uxp_diag.settings"
    )
