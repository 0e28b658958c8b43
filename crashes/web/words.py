"""The words of the pages for the words of the tables."""

from datetime import datetime, timedelta

from crashes.stack import CauseLink, CrashKind

KINDS = {
    CrashKind.JAVA_CRASH: "Java crash",
    CrashKind.NATIVE_CRASH: "Native crash",
    CrashKind.ANR: "ANR",
    CrashKind.WATCHDOG: "Watchdog",
    CrashKind.WTF: "WTF",
    CrashKind.STRICT_MODE: "StrictMode",
    CrashKind.KERNEL_PANIC: "Kernel panic",
    CrashKind.REBOOT: "Reboot",
    CrashKind.LOW_MEMORY_KILL: "Low-memory kill",
    CrashKind.BACKGROUND_KILL: "Background kill",
    CrashKind.ERROR: "Error",
}

LINKS = {
    CauseLink.OUTERMOST: "",
    CauseLink.CAUSED_BY: "Caused by",
    CauseLink.SUPPRESSED: "Suppressed",
    CauseLink.CIRCULAR: "Circular reference to",
}

FIELDS = {
    "model": "Model",
    "os_build": "OS build",
    "version_name": "App version",
    "mcc": "Country",
    "kind": "Kind",
    "package": "Package",
}

STATES = {"open": "Open", "muted": "Muted", "resolved": "Resolved"}

_FAILURES = {
    "payload_lost": (
        "The report was tried again, and what was kept of its payload is not there any more. Nothing "
        "can be done for this one; look at the disk with the payloads."
    ),
    "unsupported_format": (
        "There is no parser for this format yet. The payload is kept; when a parser is added, the "
        "report can be digested again."
    ),
    "spool_unreadable": (
        "The uploaded bytes could not be read from the spool. Check the disk under UXP_DATA_DIR "
        "and the server's log of that time."
    ),
    "digest_failed": (
        "Our own code failed on this report, which is a bug. The server's log names it; keep the "
        "raw payload as a test case."
    ),
    "store_failed": (
        "The database refused the result, which is a bug or a full disk. The server's log has the "
        "cause; the report can be digested again."
    ),
    "sandbox_timeout": "Parsing took too long and was stopped. The payload may be built to do that.",
    "sandbox_cpu": "Parsing took too long and was stopped. The payload may be built to do that.",
    "sandbox_memory": "Parsing wanted too much memory and was stopped. Look at the raw payload.",
    "sandbox_unavailable": "No sandbox could be started. Check the server's log, then try again.",
    "no_crash_in_log": "The log holds no crash. The client may have sent the wrong part of it.",
}
_FAILURE = (
    "The parser did not find the format that the client named. Compare the raw payload with the "
    "declared format; if it is intact, the parser needs this case."
)


_LOSSES = {
    "queue_full": "The phone's queue was full",
    "too_old": "Waited too long on the phone",
    "os_rate_limit": "Android keeps only some of an app's entries",
    "no_consent": "The owner does not allow it",
    "storage_error": "The phone could not write its queue",
    "unknown_keys": "Single keys that we have no word for, dropped",
    "not_kept": "Of a type that is not kept here",
    "malformed": "Damaged when it came",
    "too_large": "Larger than allowed",
    "over_budget": "Turned away, and the client does not come back",
    "ratelimit_backoff": "The SDK waited as we told it",
    "network_error": "The SDK could not send it",
    "send_error": "We refused it",
    "queue_overflow": "The SDK's queue was full",
    "cache_overflow": "The SDK's files on the phone were full",
    "buffer_overflow": "The SDK's memory for it was full",
    "sample_rate": "The app samples",
    "before_send": "The app filters",
    "event_processor": "The app filters",
    "ignored": "The app filters",
    "backpressure": "The SDK slowed down",
}


def loss_words(reason: str) -> str:
    """What a reason for a loss means; empty where the word says it."""
    return _LOSSES.get(reason, "")


def kind_label(kind: str) -> str:
    """A kind for people; an unknown one as it is."""
    return KINDS.get(CrashKind(kind), kind) if kind in set(CrashKind) else kind


def failure_advice(code: str) -> str:
    """What to do about a report in quarantine."""
    return _FAILURES.get(code, _FAILURE)


def exact_time(moment: datetime) -> str:
    """`2026-11-20 10:11:12 UTC`."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


_STEPS = (
    (timedelta(days=365), "y"),
    (timedelta(days=30), "mo"),
    (timedelta(days=1), "d"),
    (timedelta(hours=1), "h"),
    (timedelta(minutes=1), "min"),
)


def relative_time(moment: datetime, now: datetime) -> str:
    """`3 h ago`, `just now`, `in 2 d`: one unit, rounded down."""
    distance = abs(now - moment)
    for step, unit in _STEPS:
        if distance >= step:
            span = f"{distance // step} {unit}"
            return f"{span} ago" if moment <= now else f"in {span}"
    return "just now"
