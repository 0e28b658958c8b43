"""Every knob, grouped, read through `uxp_diag.env`.

Two shapes run from this one file. *Embedded*: no DATABASE_URL, so SQLite and files live under
UXP_DATA_DIR, secrets are made on first use, worker processes are children of one command.
*Production*: DATABASE_URL and REDIS_URL are given, and insecure values are refused.
"""

import os
from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from uxp_diag.env import (
    env_bool,
    env_int,
    env_list,
    env_path,
    env_secret,
    env_str,
    env_text_or_file,
)
from uxp_diag.residency import check_outgoing, check_region
from uxp_diag.spool_keys import spool_private_keys, spool_public_key

# Before numpy is imported. Workers share the processors already; threads that wait for each other
# beside them made a verdict ten times as dear, and let its last digits depend on the machine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Where things are kept ------------------------------------------------------------------

DATA_DIR = env_path("UXP_DATA_DIR", BASE_DIR / "var")
EMBEDDED = not env_str("DATABASE_URL")
"""One command runs everything on SQLite and files; nothing else is needed."""

SPOOL_DIR = DATA_DIR / "spool"
BLOB_DIR = DATA_DIR / "blobs"

# --- Identity of this cell ------------------------------------------------------------------

REGION = check_region(env_str("UXP_REGION", "eu"))
"""The one region this cell serves; a cell never knows another."""

PUBLIC_URL = env_str("UXP_PUBLIC_URL", f"http://127.0.0.1:{env_str('PORT', '8000')}")
_https = PUBLIC_URL.startswith("https://")

SECRET_KEY = env_secret(
    "SECRET_KEY",
    generated_in=DATA_DIR / "secret_key" if EMBEDDED else None,
    advice="Set it to at least 50 random characters, or set SECRET_KEY_FILE to a file with them.",
)
SECRET_KEY_FALLBACKS = env_list("SECRET_KEY_FALLBACKS")

IDENTITY_KEYS = env_secret(
    "UXP_IDENTITY_KEYS",
    generated_in=DATA_DIR / "identity_key" if EMBEDDED else None,
    advice=(
        "Set it to `epoch:secret` pairs, newest first, separated by commas; each secret is at "
        "least 32 random characters."
    ),
)

RECEIPT_KEY = env_secret(
    "UXP_RECEIPT_KEY",
    generated_in=DATA_DIR / "receipt_key" if EMBEDDED else None,
    advice="Set it to at least 32 random characters: receipts of erasure are signed with it.",
)

SEALING_KEYS = env_secret(
    "UXP_SEALING_KEYS",
    generated_in=DATA_DIR / "sealing_key" if EMBEDDED else None,
    advice=(
        "Set it to `id:secret` pairs, newest (highest id) first, separated by commas; each secret is "
        "at least 32 random characters: what devices sent is sealed with keys that these wrap."
    ),
)

SPOOL_PUBLIC_KEY = spool_public_key(kept_in=DATA_DIR / "spool_key" if EMBEDDED else None)
"""What uploads are sealed to. The web server has this half alone and cannot open them again."""

READ_SPOOL_KEYS = spool_private_keys(kept_in=DATA_DIR / "spool_key" if EMBEDDED else None)
"""What workers call to open uploads."""

DEBUG = False
ALLOWED_HOSTS = env_list("UXP_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if _https else []

_SECRET_LENGTH = 50
if not EMBEDDED and len(SECRET_KEY) < _SECRET_LENGTH:
    raise ImproperlyConfigured("SECRET_KEY is too short. Set at least 50 random characters.")
if "*" in ALLOWED_HOSTS:
    raise ImproperlyConfigured("UXP_ALLOWED_HOSTS may not hold `*`. Name the hosts you serve.")

# --- Django ---------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "devices",
    "crashes",
]

MIDDLEWARE = [
    "uxp_diag.web.unread.UnreadBodyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "uxp_diag.web.policy.PolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "uxp_diag.urls"
WSGI_APPLICATION = "uxp_diag.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "uxp_diag" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "uxp_diag.web.context.platform",
            ],
        },
    },
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "uxp_diag" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True

# --- Database -------------------------------------------------------------------------------

# FULL because a 202 promises that the row survives a power cut; immediate transactions so that
# a writer waits at BEGIN instead of failing half-way; secure_delete so that erased rows are gone.
_SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
    "init_command": (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;"
        "PRAGMA cache_size=-65536; PRAGMA mmap_size=268435456; PRAGMA temp_store=MEMORY;"
    ),
}

# A server that went silent is given up within seconds, so that uploads go to the spool instead of
# waiting for it. What DATABASE_URL says beside (sslmode, other timeouts) counts more.
_POSTGRES_OPTIONS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}

DATABASE_POOL = env_int("UXP_DATABASE_POOL", 0)
"""Connections of a process on PostgreSQL; the web server sets it, as few serve its many threads."""

_database = environ.Env.db_url_config(
    env_str("DATABASE_URL", f"sqlite:///{DATA_DIR / 'uxp.sqlite3'}")
)
if _database["ENGINE"] == "django.db.backends.sqlite3":
    _database["OPTIONS"] = _SQLITE_OPTIONS
    _database["CONN_MAX_AGE"] = None
else:
    _database["OPTIONS"] = {**_POSTGRES_OPTIONS, **_database.get("OPTIONS", {})}
    if DATABASE_POOL:
        _pool = {"min_size": 1, "max_size": DATABASE_POOL, "timeout": 3}
        _database["OPTIONS"]["pool"] = _pool
        _database["CONN_MAX_AGE"] = 0
    else:
        _database["CONN_MAX_AGE"] = 60
        _database["CONN_HEALTH_CHECKS"] = True
DATABASES = {"default": _database}

# --- Bell and timetable (Celery, production only) -------------------------------------------

REDIS_URL = env_str("REDIS_URL")
CELERY_BROKER_URL = REDIS_URL or "memory://"

RECOVERY_SECONDS = env_int("UXP_RECOVERY_SECONDS", 30, minimum=2)
"""How long a silent worker, writer or bell is waited for before somebody else takes over."""

# --- Intake ---------------------------------------------------------------------------------

INTAKE_GROUP_COMMIT = True
"""Uploads that arrive together share one spool file, one fsync and one insert."""

DEVICE_REPORTS_PER_DAY = env_int("UXP_DEVICE_REPORTS_PER_DAY", 10_000, minimum=1)
PROGRAM_REPORTS_PER_SECOND = env_int("UXP_PROGRAM_REPORTS_PER_SECOND", 5_000, minimum=1)
SIGNATURE_REPORTS_PER_DAY = env_int("UXP_SIGNATURE_REPORTS_PER_DAY", 100, minimum=1)
"""Repeats of one signature from one device beyond this are counted and not stored."""

BACKLOG_SHED = env_int("UXP_BACKLOG_SHED", 20_000, minimum=1)
"""From so many waiting reports on vitals are turned away, from twice as many also repeats."""

ATTACHMENT_BYTES = env_int("UXP_ATTACHMENT_BYTES", 50 << 20, minimum=1)
"""A larger file is not asked for, however a report announces it."""

SYMBOLS_KEEP_DAYS = env_int("UXP_SYMBOLS_KEEP_DAYS", 365)
"""Debug files go that were of no use for so long and that no open issue needs; 0 keeps them all."""

SYMBOLS_QUOTA_BYTES = env_int("UXP_SYMBOLS_QUOTA_BYTES", 0)
"""Debug files with their tables may take so much; 0 is no limit."""

COLLECT_SECONDS = 6 * 3600.0

DEBUGINFOD_URLS = env_list("UXP_DEBUGINFOD_URLS")
"""Servers that are asked for missing debug files. None: a cell connects to nobody by itself."""

if not all(url.startswith(("http://", "https://")) for url in DEBUGINFOD_URLS):
    raise ImproperlyConfigured("UXP_DEBUGINFOD_URLS must hold addresses like https://host/path.")

ALLOWED_OUTGOING_HOSTS = env_list("UXP_ALLOWED_OUTGOING_HOSTS")
"""Hosts outside the cell's own network that it may connect to; all others stop the start."""

check_outgoing(
    {
        "DATABASE_URL": [env_str("DATABASE_URL")],
        "REDIS_URL": [REDIS_URL],
        "UXP_DEBUGINFOD_URLS": DEBUGINFOD_URLS,
    },
    allowed=ALLOWED_OUTGOING_HOSTS,
)
FETCH_SECONDS = 600.0
DEBUGINFOD_FILE_BYTES = env_int("UXP_DEBUGINFOD_FILE_BYTES", 1 << 30, minimum=1)
"""A larger file is not fetched."""

CLIENT_ADDRESS_HEADER = env_str("UXP_CLIENT_ADDRESS_HEADER", "X-Forwarded-For" if _https else "")
"""Where the proxy says who it speaks for; the last address counts, which the proxy itself wrote."""

ENROLLMENT_LIMIT = env_bool("UXP_ENROLLMENT_LIMIT", default=not EMBEDDED)
"""Limit enrollments per network. Off in the embedded shape, where all phones come from one."""

EMBEDDED_WORKERS = env_int("UXP_WORKERS", 2, minimum=1)
WEB_WORKERS = env_int("UXP_WEB_WORKERS", 1, minimum=1)
WEB_THREADS = env_int("UXP_WEB_THREADS", 600, minimum=1)
"""At most so many requests at once. Made when needed; nearly all of them wait for slow phones."""

METRICS_TOKEN = env_text_or_file("UXP_METRICS_TOKEN")
"""Whoever reads /metrics shows it. Without one, metrics are for this machine alone."""

BIND = env_str("UXP_BIND", "127.0.0.1")
PORT = env_int("PORT", 8000, minimum=1)

# --- People ---------------------------------------------------------------------------------

LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "sign_in"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_NAME = "uxp_session"
SESSION_COOKIE_SECURE = _https
CSRF_COOKIE_SECURE = _https
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "uxp_diag.web.errors.csrf_failure"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- Headers --------------------------------------------------------------------------------

SECURE_SSL_REDIRECT = False  # the front door is a proxy; the application listens inside
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _https
SECURE_HSTS_PRELOAD = _https
# Nothing leaves our origin. `no-referrer` would make browsers send `Origin: null` with our own
# forms, which the CSRF check has to refuse.
SECURE_REFERRER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _https else None
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
    },
}

# --- API ------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "devices.api.auth.ApiTokenAuthentication",
        "devices.api.auth.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["uxp_diag.api.permissions.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "uxp_diag.api.problem.problem_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "uxp_diag",
    "DESCRIPTION": "Crash and performance diagnostics for a phone maker's own fleet.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "ReleaseVerdict": ["promote", "hold", "halt", "insufficient_data"],
        "CrashKind": "crashes.stack.CrashKind",
        "FrameStatus": "crashes.stack.FrameStatus",
        "ReportState": ["received", "processing", "done", "quarantined"],
        "IssueState": ["open", "muted", "resolved"],
        "UploadStatus": ["accepted", "duplicate"],
        "LineStatus": ["accepted", "duplicate", "rejected"],
        "DebugFileStatus": ["created", "known", "refused"],
    },
}

# --- Logs -----------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env_str("UXP_LOG_LEVEL", "INFO")},
    "loggers": {
        # Request lines hold query strings, and those hold keys; we log our own.
        "django.request": {"level": "ERROR"},
        "django.server": {"level": "ERROR"},
        # It would write whatever a stranger sends as Host; our own line does without.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
    },
}
