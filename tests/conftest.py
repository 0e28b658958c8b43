"""What all tests share: the shared samples, and the servers and programs of this machine.

Whatever a machine lacks is skipped by name; with `CI=true` it is a failure, so that no check can
go missing unnoticed. Servers are found by tests/servers.py.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from playwright.sync_api import Browser, Page, sync_playwright

from tests.servers import (
    OwnRedis,
    ServerMissing,
    claimed_redis,
    find_postgres,
    fresh_database,
)

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI", "").lower() == "true"
ON_POSTGRES = os.environ.get("UXP_TEST_VENDOR") == "postgresql"

hypothesis_settings.register_profile(
    "suite",
    deadline=None,  # no test asserts how long something took
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=IN_CI,
    print_blob=True,
)
hypothesis_settings.load_profile("suite")


def skip_or_fail(reason: str) -> None:
    """Skip by name on a machine that lacks something; in CI its absence is a failure."""
    if IN_CI:
        pytest.fail(f"CI must have this: {reason}", pytrace=False)
    pytest.skip(reason)


def require_program(what: str, *names: str) -> str:
    """The path of the first of these programs that is installed; else the test is skipped."""
    for name in names:
        path = shutil.which(name)
        if path is not None:
            return path
    skip_or_fail(f"{what}: none of {', '.join(names)} is installed")
    raise AssertionError  # skip_or_fail does not return


# --- The run --------------------------------------------------------------------------------


def pytest_report_header() -> str:
    return f"database under test: {'PostgreSQL' if ON_POSTGRES else 'SQLite'}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that bring their own servers run once, not again in the PostgreSQL run."""
    if not ON_POSTGRES:
        return
    again = [item for item in items if not item.get_closest_marker("own_servers")]
    config.hook.pytest_deselected(items=[item for item in items if item not in again])
    items[:] = again


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """In the PostgreSQL run nothing starts without PostgreSQL."""
    if not ON_POSTGRES:
        return
    stash = item.session.stash
    if _missing not in stash:
        stash[_missing] = _why_postgres_is_missing()
    if stash[_missing]:
        skip_or_fail(stash[_missing])


_missing = pytest.StashKey[str]()


def _why_postgres_is_missing() -> str:
    try:
        find_postgres()
    except ServerMissing as reason:
        return str(reason)
    return ""


def pytest_unconfigure() -> None:
    """Remove the folder that tests/settings.py made."""
    if "UXP_TEST_DIR" not in os.environ and "UXP_DATA_DIR" in os.environ:
        shutil.rmtree(os.environ["UXP_DATA_DIR"], ignore_errors=True)


# --- Samples --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of shared samples (`UXP_SHARED_DIR`, default `../shared`)."""
    folder = Path(os.environ.get("UXP_SHARED_DIR") or ROOT.parent / "shared").absolute()
    if not (folder / "samples").is_dir():
        skip_or_fail("shared samples: UXP_SHARED_DIR not found")
    return folder


# --- Servers --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A new, empty PostgreSQL database for this run, beside the database under test.

    For processes that tests start with `DATABASE_URL`; whoever needs tables migrates it.
    """
    try:
        url = find_postgres()
    except ServerMissing as reason:
        skip_or_fail(str(reason))
        raise
    with fresh_database(url, f"uxp_test_{os.getpid()}_{secrets.token_hex(3)}") as fresh:
        yield fresh


@pytest.fixture
def redis_url() -> Iterator[str]:
    """An empty Redis database on the shared server, emptied again afterwards."""
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(claimed_redis())
        except ServerMissing as reason:
            skip_or_fail(str(reason))
            raise
        yield url


@pytest.fixture
def own_redis() -> Iterator[OwnRedis]:
    """A Redis server that only this test uses, and may stop and start again."""
    server = OwnRedis(require_program("Redis", "redis-server"))
    server.start()
    yield server
    server.remove()


# --- Programs -------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def aarch64_gcc() -> str:
    """A C compiler that makes programs for the processor of phones."""
    return require_program("aarch64 compiler", "aarch64-linux-gnu-gcc")


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The system's Chromium."""
    return require_program("browser", "chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser(chromium_path: str) -> Iterator[Browser]:
    """One headless Chromium for the whole run."""
    # Playwright keeps an event loop in this thread; Django would refuse its database there.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        it = playwright.chromium.launch(
            executable_path=chromium_path, args=["--disable-dev-shm-usage", *as_root]
        )
        yield it
        it.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a browser context of its own: no cookies, 1280 by 800."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(15_000)
    yield context.new_page()
    context.close()
