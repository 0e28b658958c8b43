from collections.abc import Iterator

import pytest

from uxp_diag.sandbox import Limits, Sandbox

JOBS = "tests.unit.sandbox.jobs"


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    """One server for every test that does not harm it."""
    with Sandbox(
        (JOBS, "elftools.*"), Limits(cpu_seconds=2, wall_seconds=4), allowed=(JOBS,)
    ) as it:
        yield it


@pytest.fixture
def own_sandbox() -> Iterator[Sandbox]:
    """A sandbox for tests that kill its server."""
    with Sandbox((JOBS,), Limits(cpu_seconds=2, wall_seconds=4)) as it:
        yield it
