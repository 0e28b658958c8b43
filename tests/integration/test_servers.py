"""The house's own fixtures: what other tests stand on."""

import contextlib

import psycopg
import pytest
import redis
from django.db import connection
from playwright.sync_api import Page

from tests.conftest import ON_POSTGRES
from tests.servers import OwnRedis


@pytest.mark.django_db
def test_the_run_uses_the_database_that_it_names() -> None:
    assert connection.vendor == ("postgresql" if ON_POSTGRES else "sqlite")


@pytest.mark.own_servers
def test_a_fresh_postgres_database_is_empty(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as database:
        tables = database.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")

        assert tables.fetchone() == (0,)


@pytest.mark.own_servers
def test_a_redis_database_is_empty(redis_url: str) -> None:
    with contextlib.closing(redis.Redis.from_url(redis_url)) as client:
        assert client.dbsize() == 0


@pytest.mark.own_servers
def test_an_own_redis_can_die_and_come_back(own_redis: OwnRedis) -> None:
    with contextlib.closing(redis.Redis.from_url(own_redis.url)) as client:
        client.set("key", "value")

        own_redis.stop()
        with pytest.raises(redis.ConnectionError):
            client.get("key")
        own_redis.start()

        assert client.get("key") is None


@pytest.mark.own_servers
def test_the_browser_renders_a_page(page: Page) -> None:
    page.set_content("<title>uxp</title><h1>Issues</h1>")

    assert page.title() == "uxp"
    assert page.get_by_role("heading").inner_text() == "Issues"
