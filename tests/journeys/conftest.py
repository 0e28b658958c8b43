"""Platforms for journeys: embedded on SQLite, and the production shape on real servers."""

import secrets

import pytest

from tests.conftest import skip_or_fail
from tests.journeys.platform import Platform
from tests.servers import ServerMissing, find_postgres, fresh_database


@pytest.fixture(params=["embedded", "production"])
def platform(request, tmp_path):
    """A platform that runs, once per shape."""
    if request.param == "embedded":
        made = Platform(tmp_path)
    else:
        made = Platform(
            tmp_path,
            {
                "DATABASE_URL": request.getfixturevalue("fresh_postgres_url"),
                "REDIS_URL": request.getfixturevalue("redis_url"),
            },
        )
    made.prepare()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory):
    """(server, name) of a database with all tables and no rows, to be copied."""
    try:
        server = find_postgres()
    except ServerMissing as reason:
        skip_or_fail(str(reason))
        raise
    name = f"uxp_journey_tables_{secrets.token_hex(4)}"
    with fresh_database(server, name) as url:
        folder = tmp_path_factory.mktemp("tables")
        Platform(folder, {"DATABASE_URL": url}).manage("migrate", "-v0")
        yield server, name


@pytest.fixture
def fresh_postgres_url(migrated_database):
    """A database of this test's own, with all tables."""
    server, template = migrated_database
    name = f"uxp_journey_{secrets.token_hex(4)}"
    with fresh_database(server, name, template=template) as url:
        yield url


@pytest.fixture
def running(platform):
    """The same with its web server and its workers."""
    platform.start_web()
    if "REDIS_URL" in platform.extra_env:
        platform.start_celery()
    else:
        platform.start_worker()
    return platform
