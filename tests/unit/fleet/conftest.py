"""The demo's programs, compiled once, and a fleet small enough to look at whole."""

from datetime import UTC, datetime

import pytest

from crashes.management.fleet.bugs import make_bugs
from crashes.management.fleet.population import make_population
from crashes.management.fleet.programs import compile_programs, find_toolchain
from crashes.management.fleet.scenario import make_plans, make_reports
from tests.conftest import skip_or_fail

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DAYS = 42
SEED = 1


@pytest.fixture(scope="session")
def programs():
    toolchain = find_toolchain()
    if toolchain is None or toolchain.cxx is None:
        skip_or_fail("C and C++ compiler with binutils: not installed")
        raise AssertionError  # skip_or_fail does not return
    return compile_programs(toolchain)


@pytest.fixture(scope="session")
def bugs(programs):
    return make_bugs(programs)


@pytest.fixture(scope="session")
def devices():
    return make_population(400, seed=SEED)


@pytest.fixture(scope="session")
def plans(devices, bugs):
    return make_plans(devices, bugs, count=1500, days=DAYS, seed=SEED)


@pytest.fixture(scope="session")
def reports(plans):
    return list(make_reports(plans, days=DAYS, seed=SEED, now=NOW))
