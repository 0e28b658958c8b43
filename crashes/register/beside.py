"""What is kept beside the database: files, keys in Redis, lines in logs, metrics."""

from crashes.register.terms import (
    CREDENTIAL,
    DAY,
    ID,
    INNER,
    INSTALLED,
    MINUTES,
    OF_USE,
    RAW,
    SECRET,
    SENT,
    SYMBOLS,
    THREE_DAYS,
    YEAR,
)
from crashes.register.words import Log, Metric, Place, Retention

_UNFINISHED = r"\.[^/]+\.[0-9a-f]{8}"
_HEX = r"[0-9a-f]{2}"
_NO_PERSON = "about no person"

FILES = (
    Place(
        "spool",
        rf"spool/{_HEX}/([0-9a-f]{{24}}\.spool|{_UNFINISHED})",
        "uploads that no worker has taken yet, as they came, sealed to a key that only workers have",
        SENT,
        MINUTES,
        "with their reports, counted as spooled_reports",
    ),
    Place(
        "payloads",
        rf"blobs/payloads/{_HEX}/(\d+|{_UNFINISHED})",
        "payloads too large for the database, scrubbed, sealed with the key of their phone",
        RAW,
        YEAR,
        "with their reports, counted as payload_files",
    ),
    Place(
        "attachments",
        r"blobs/attachments/.+(?<!\.partial)",
        "files that followed a report, scrubbed, sealed with the key of their phone",
        RAW,
        YEAR,
        "with their reports",
    ),
    Place(
        "attachments on their way",
        r"blobs/attachments/.+\.partial",
        "pieces of files that are not whole yet, as they came, sealed with the key of their phone",
        SENT,
        THREE_DAYS,
        "with their reports",
    ),
    Place(
        "debug files and what is made of them",
        r"blobs/(debug-files|symcaches/v\d+|unwind/v\d+)/.+",
        "symbols, uploaded by the makers of software",
        SYMBOLS,
        OF_USE,
        _NO_PERSON,
    ),
    Place(
        "uploads of debug files",
        r"blobs/(incoming|chunks|assembled)/.+",
        "pieces of debug files on their way",
        SYMBOLS,
        DAY,
        _NO_PERSON,
    ),
    Place(
        "secrets",
        r"(secret_key|identity_key|receipt_key|sealing_key|spool_key(\.pub)?)(\.\d+)?",
        "keys of an embedded installation",
        SECRET,
        INSTALLED,
        _NO_PERSON,
    ),
    Place(
        "database",
        r"uxp\.sqlite3(-wal|-shm|-journal)?",
        "the tables of an embedded installation",
        RAW,
        YEAR,
        "as its tables; its log is cut off after each erasure",
    ),
    Place(
        "files of the program",
        r"static/.+|bench/.+|bench\.json|demo\.json|serve\.lock",
        "style sheets, figures of benchmarks, log-ins of the demonstration",
        INNER,
        INSTALLED,
        _NO_PERSON,
    ),
)

_FILLING = Retention("until the bucket is full again, a day at most", 1)
_FIVE_MINUTES = Retention("until a worker has taken it; all of Redis may be lost at any time")

REDIS_KEYS = (
    Place(
        "budgets of phones",
        r"limit:(attachments/)?device/[0-9a-f-]{36}",
        "when a phone may send at full rate again, by its random number",
        ID,
        _FILLING,
        "runs out by itself within a day",
    ),
    Place(
        "budgets of programs",
        r"limit:(attachments/)?program/\d+",
        "when a program may send at full rate again",
        INNER,
        _FILLING,
        _NO_PERSON,
    ),
    Place(
        "budgets of networks",
        r"limit:(sign-in/)?network/[0-9a-f]{24}",
        "when a network may enroll or sign in again, by a keyed hash of a part of its address",
        CREDENTIAL,
        _FILLING,
        "runs out by itself; nothing leads from it to a phone",
    ),
    Place(
        "tries to sign in",
        r"limit:sign-in/(name/[0-9a-f]{24}|browser/[0-9a-f.]+)",
        "failed tries by name, as keyed hashes",
        CREDENTIAL,
        _FILLING,
        "about staff; runs out by itself",
    ),
    Place(
        "bells",
        r"reports|symbols|unacked(_index|_mutex)?|_kombu\.binding\..+|celery.*",
        "Celery's queues: row numbers of reports and debug files, nothing else",
        INNER,
        _FIVE_MINUTES,
        "a number whose row is gone finds nothing",
    ),
)

LOG_RETENTION = Retention("thirty days, set where logs are collected", 30)

LOGS = (
    Log("crashes.management.agent.delivery", ("count", "problem")),
    Log("crashes.management.commands.fetch_debug_files", ("traceback",)),
    Log("crashes.management.commands.work", ("traceback",)),
    Log("crashes.services.acceptance", ("found.damaged_at", "len(uploads)", "name")),
    Log("crashes.services.attachment_cleaning", ("attachment.pk",)),
    Log("crashes.services.batch_answers"),
    Log("crashes.services.blobs", ("content.pk",)),
    Log("crashes.services.client_losses", ("len(rows)",)),
    Log(
        "crashes.services.collecting",
        ("done.abandoned_uploads", "done.files", "done.size_bytes / 1000000.0"),
    ),
    Log("crashes.services.digesting", ("row.pk", "traceback")),
    Log("crashes.services.erasing", ("erasure.request_id", "state")),
    Log("crashes.services.fetching", ("problem", "row.build_id", "server.host")),
    Log("crashes.services.leases", ("traceback",)),
    Log("crashes.services.occurrences", ("content.pk",)),
    Log("crashes.services.processing", ("digested[0].leased.row.pk", "row.pk", "traceback")),
    Log("crashes.services.reconciling", ("adopted", "name", "removed", "traceback")),
    Log("crashes.services.refusals"),
    Log("crashes.services.regrouping", ("failure.code", "row.pk", "traceback")),
    Log("crashes.services.releasing", ("judged.judgement.verdict", "release.pk")),
    Log("crashes.services.retention", ("*audit_head()", "expired.reports", "expired.samples")),
    Log("crashes.services.retracing", ("mapping", "outcome")),
    Log("crashes.services.seal_stored", ("attachment.pk", "pk")),
    Log("crashes.services.walking", ("problem",)),
    Log("devices.selectors.vital_samples", ("row.pk",)),
    Log("devices.services.losses", ("len(rows)",)),
    Log("crashes.tasks"),
    Log(
        "uxp_diag.api.problem",
        ("error.strerror", "problem.code", "problem.status_code", "ref", "type(error).__name__"),
    ),
    Log("uxp_diag.bell", ("type(error).__name__",)),
    Log("uxp_diag.web.errors", ("code", "ref", "status", "traceback")),
)

METRICS = (
    Metric(
        "uxp_build_info",
        (
            "region",
            "parser",
            "scrubber",
        ),
    ),
    Metric("uxp_database_bytes"),
    Metric("uxp_debug_files_unprepared"),
    Metric("uxp_disk_bytes"),
    Metric("uxp_disk_free_bytes"),
    Metric("uxp_erasures_waiting"),
    Metric("uxp_last_verdict_age_seconds"),
    Metric("uxp_missing_debug_files"),
    Metric("uxp_oldest_erasure_age_seconds"),
    Metric("uxp_oldest_lease_age_seconds"),
    Metric("uxp_oldest_record_age_days"),
    Metric("uxp_oldest_vital_mark_age_seconds"),
    Metric("uxp_oldest_waiting_report_age_seconds"),
    Metric("uxp_redis_memory_bytes"),
    Metric("uxp_releases"),
    Metric("uxp_releases_judged"),
    Metric("uxp_reports_accepted_total"),
    Metric("uxp_reports_digested_total"),
    Metric("uxp_reports_in_quarantine"),
    Metric("uxp_reports_lacking_symbols"),
    Metric("uxp_reports_leased"),
    Metric("uxp_reports_quarantined_total"),
    Metric("uxp_reports_waiting"),
    Metric(
        "uxp_schema_info",
        (
            "app",
            "migration",
        ),
    ),
    Metric("uxp_spool_bytes"),
    Metric("uxp_spool_files"),
    Metric("uxp_up", ("part",)),
    Metric("uxp_vital_marks_waiting"),
    Metric("uxp_vital_samples_accepted_total"),
)
