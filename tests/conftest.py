"""What all tests share: the shared samples, and sampling folders."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI", "").lower() == "true"


def skip_or_fail(reason: str) -> None:
    """Skip by name on a machine that lacks something; in CI its absence is a failure."""
    if IN_CI:
        pytest.fail(f"CI must have this: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of shared samples (`UXP_SHARED_DIR`, default `../shared`)."""
    folder = Path(os.environ.get("UXP_SHARED_DIR", ROOT.parent / "shared"))
    if not (folder / "samples").is_dir():
        skip_or_fail("shared samples: UXP_SHARED_DIR not found")
    return folder
