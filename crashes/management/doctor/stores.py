"""Database, clock, Redis, and the keys that fit what is stored."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import redis
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from crashes.management.doctor import Finding, failed, ok, warning
from devices.identity import InvalidIdentityKeys, parse_keys
from devices.receipts import WeakReceiptKey, public_key_of, signing_key
from devices.sealing import InvalidSealingKeys
from devices.sealing.keys import MasterKeyMissing, parse_master_keys
from devices.sealing.spool import parse_private_keys, parse_public_key, public_half
from devices.selectors.data_keys import check_master_keys
from devices.selectors.erasures import newest_receipt
from uxp_diag.db import database_now, newest_migration_at
from uxp_diag.limits import connect

_SLOW_CLOCK_SECONDS = 2.0
_WRONG_CLOCK_SECONDS = 30.0
_MIGRATE = "Run `manage.py migrate`, or `make serve`, which does."


def check_database() -> Iterator[Finding]:
    """Whether it answers and has this version's tables; if so, the clock, and the keys of its rows."""
    part = "database"
    if connection.vendor == "sqlite" and not _is_there(str(settings.DATABASES["default"]["NAME"])):
        yield failed(part, "there is none yet", _MIGRATE)
        return
    try:
        executor = MigrationExecutor(connection)
        applied = set(executor.loader.applied_migrations)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except (DatabaseError, InterfaceError) as error:
        yield failed(
            part,
            f"it does not answer: {' '.join(str(error).split())}",
            "Start it; DATABASE_URL and UXP_DATA_DIR say which one it is.",
        )
        return
    newer = sorted(name for name in applied if name not in executor.loader.disk_migrations)
    newer = [name for name in newer if name[0] in {"crashes", "devices"}]
    if plan:
        yield failed(part, f"{len(plan)} migrations are missing", _MIGRATE)
        return
    if newer:
        yield warning(
            part, f"it has {newer[-1][1]}, which this version lacks", "Run the newer version."
        )
    else:
        yield ok(part, f"{connection.vendor}, all migrations are there")
    yield from _check_clock(timezone.now())
    yield from _check_masters()
    yield from _check_signatures()


def _is_there(name: str) -> bool:
    return name.startswith("file:") or Path(name).exists()


def _check_clock(now: datetime) -> Iterator[Finding]:
    part, advice = "clock", "Set it by NTP on this machine and on that of the database."
    off = abs((database_now() - now).total_seconds())
    newest = newest_migration_at()
    if newest is not None and newest > now:
        yield failed(part, f"it is {now:%Y-%m-%d %H:%M}, before tables were made", advice)
    elif off > _WRONG_CLOCK_SECONDS:
        yield failed(part, f"the database's differs by {off:.0f} s", advice)
    elif off > _SLOW_CLOCK_SECONDS:
        yield warning(part, f"the database's differs by {off:.1f} s", advice)
    else:
        yield ok(part, f"{now:%Y-%m-%d %H:%M} UTC, as in the database")


def _check_masters() -> Iterator[Finding]:
    try:
        check_master_keys()
    except MasterKeyMissing as problem:
        yield failed("master keys", str(problem), "Without it no worker starts.")
    except InvalidSealingKeys:  # told by check_keys
        return
    else:
        yield ok("master keys", "they open what is stored")


def _check_signatures() -> Iterator[Finding]:
    part, receipt = "receipts", newest_receipt()
    if receipt is None:
        yield ok(part, "none has been signed yet")
        return
    try:
        mine = public_key_of(signing_key(settings.RECEIPT_KEY))
    except WeakReceiptKey:  # told by check_keys
        return
    if receipt.get("public_key") == mine:
        yield ok(part, "the newest was signed with this key")
    else:
        yield warning(
            part,
            "the newest was signed with another key",
            "Put the old UXP_RECEIPT_KEY back, or tell owners the new public key (docs/privacy.md).",
        )


def check_redis() -> Iterator[Finding]:
    """Whether the bell rings."""
    part = "redis"
    if not settings.REDIS_URL:
        yield ok(part, "not used: workers look into the table")
        return
    client = connect(settings.REDIS_URL)
    try:
        version = client.info("server")["redis_version"]
    except (redis.RedisError, OSError) as error:
        yield failed(
            part,
            f"it does not answer ({type(error).__name__})",
            "Start it; REDIS_URL says where. Nothing is lost meanwhile, but all is slower.",
        )
    else:
        yield ok(part, f"version {version} answers")
    finally:
        client.connection_pool.disconnect()


def check_keys() -> Iterator[Finding]:
    """Whether keys can be read, and whether the halves of the spool's pair fit."""
    advice = "See the table of settings in README.md."
    try:
        epochs = [key.epoch for key in parse_keys(settings.IDENTITY_KEYS)]
        signing_key(settings.RECEIPT_KEY)
        parse_master_keys(settings.SEALING_KEYS)
        public = parse_public_key(settings.SPOOL_PUBLIC_KEY)
    except (InvalidIdentityKeys, WeakReceiptKey, InvalidSealingKeys) as problem:
        yield failed("keys", str(problem), advice)
        return
    yield ok("keys", f"all can be read; identity epochs {', '.join(map(str, epochs))}")
    try:
        private = parse_private_keys(settings.READ_SPOOL_KEYS())
    except ImproperlyConfigured:
        yield ok("spool keys", "the public half alone, as web servers should have it")
    except InvalidSealingKeys as problem:
        yield failed("spool keys", str(problem), advice)
    else:
        own = private.get(public.key_id)
        if own is not None and public_half({public.key_id: own}) == public:
            yield ok("spool keys", f"both halves of key {public.key_id} fit")
        else:
            yield failed(
                "spool keys",
                f"no private key fits key {public.key_id} of UXP_SPOOL_PUBLIC_KEY",
                "Add the one made with it to UXP_SPOOL_KEYS: workers cannot open uploads.",
            )
