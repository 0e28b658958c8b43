"""What must not be in a tracked file: places of one machine, hosts of registries, loose ends."""

import re
from pathlib import Path

import pytest

from tests.architecture.tree import files_under, tracked_files
from tests.conftest import ROOT

_TEXT_BYTES = 4_000_000


def texts() -> list[tuple[Path, str]]:
    """Every tracked text file of the project, recorded samples left out."""
    found = []
    for path in tracked_files():
        if path.is_relative_to(ROOT / "tests" / "data") or path.stat().st_size > _TEXT_BYTES:
            continue
        content = path.read_bytes()
        if b"\0" not in content:
            found.append((path.relative_to(ROOT), content.decode(errors="replace")))
    return found


# Written in pieces, so that this file holds none of them.
MACHINE_PATHS = re.compile("|".join(["/wo" + "rk/", "/ro" + r"ot/(?!\.)", "/Us" + "ers/"]))
REGISTRY_HOSTS = re.compile(
    r"\b(?:pypi|files\.pythonhosted|registry\.npmjs|ghcr|quay|docker|deb\.debian)"
    + r"\.(?:org|io)\b"
)
LOOSE_ENDS = re.compile(r"\b(?:TO" + "DO|FIX" + "ME|XX" + r"X)\b|raise NotImplemented" + "Error")


@pytest.mark.parametrize(
    ("pattern", "where"),
    [
        pytest.param(MACHINE_PATHS, "", id="paths of one machine"),
        pytest.param(re.compile(re.escape(f"{ROOT}/")), "", id="the path of this checkout"),
        pytest.param(REGISTRY_HOSTS, "", id="hosts of registries"),
        pytest.param(LOOSE_ENDS, ".py", id="loose ends"),
    ],
)
def test_no_tracked_file_holds(pattern: re.Pattern[str], where: str) -> None:
    found = [
        f"{path}:{number}: {line.strip()[:120]}"
        for path, text in texts()
        if path.suffix.endswith(where)
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]

    assert found == []


def test_no_test_is_skipped_for_good() -> None:
    unconditional = re.compile(r"^\s*@pytest\.mark\.(?:skip|xfail)\b", re.MULTILINE)

    tests = files_under("tests", suffix=".py")

    assert [path for path in tests if unconditional.search(path.read_text())] == []


def test_the_environment_is_read_in_one_module() -> None:
    reads = re.compile(r"os\.environ\b(?!\.setdefault)|os\.getenv\b")
    children = {
        "uxp_diag/sandbox/nursery.py",
        "crashes/management/supervisor.py",
        "crashes/management/webserver.py",
        "crashes/management/commands/web.py",
    }
    allowed = {"uxp_diag/env.py"} | children  # those hand a child its own

    found = {
        str(path.relative_to(ROOT))
        for path in files_under("crashes", "devices", "uxp_diag", suffix=".py")
        if reads.search(path.read_text())
    }

    assert found <= allowed


def test_nothing_tracked_belongs_to_one_checkout() -> None:
    own = {".venv", "var", ".env", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}

    assert [path for path in tracked_files() if own & set(path.relative_to(ROOT).parts)] == []
