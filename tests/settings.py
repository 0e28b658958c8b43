"""Settings of the test run: the real ones, on the database under test, in a folder of its own.

`UXP_TEST_VENDOR=postgresql` chooses PostgreSQL, else it is SQLite; tests/servers.py says where
PostgreSQL is looked for. The folder is removed when the run ends.
"""

import os
import tempfile
from pathlib import Path

from tests.servers import DEFAULT_DATABASE_URL

_FOLDER = Path(os.environ.get("UXP_TEST_DIR") or tempfile.mkdtemp(prefix="uxp-test-"))
if "UXP_TEST_DIR" in os.environ:  # each process of a run has a folder of its own
    _FOLDER /= os.environ.get("PYTEST_XDIST_WORKER", "")
os.environ["UXP_DATA_DIR"] = str(_FOLDER)
os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "0" * 50)
os.environ.setdefault("UXP_IDENTITY_KEYS", "1:only-for-tests-" + "0" * 32)
os.environ.setdefault("UXP_RECEIPT_KEY", "only-for-tests-" + "0" * 32)
os.environ.setdefault("UXP_SEALING_KEYS", "1:only-for-tests-" + "0" * 32)
os.environ.setdefault("UXP_SPOOL_KEYS", "1:" + "0a" * 32)
os.environ.pop("DATABASE_URL", None)
os.environ.pop("REDIS_URL", None)
if os.environ.get("UXP_TEST_VENDOR") == "postgresql":
    os.environ["DATABASE_URL"] = os.environ.get("UXP_TEST_DATABASE_URL") or DEFAULT_DATABASE_URL

from uxp_diag.settings import *  # noqa: E402

# Commands that tests start as processes of their own read the environment afresh.
os.environ.pop("DATABASE_URL", None)

INTAKE_GROUP_COMMIT = False  # a committer thread would not see a test's transaction
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # what collectstatic would have made
DATABASES["default"]["CONN_MAX_AGE"] = 0
_is_sqlite = DATABASES["default"]["ENGINE"].endswith("sqlite3")
DATABASES["default"]["TEST"] = {
    "NAME": str(_FOLDER / "test.sqlite3") if _is_sqlite else f"uxp_test_{os.getpid()}"
}
LOGGING |= {"root": {"handlers": ["stderr"], "level": "WARNING"}}
