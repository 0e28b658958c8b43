"""What never became a report: dropped by a client before it was sent, or by us as not kept.

Sentry's SDKs tell how many events they threw away, per reason and category, in items of the type
`client_report`. These are the only trace of what was lost, so they are counted; and so is every
item that we take and do not keep. Words come from the public, so only known ones are told apart
and all others are `other`: nobody can fill the table with inventions.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crashes.intake.client_text import number_of

NOT_KEPT = "not_kept"
MALFORMED = "malformed"
TOO_LARGE = "too_large"
OVER_BUDGET = "over_budget"
UNKNOWN_KEYS = "unknown_keys"
OTHER = "other"

AGENT = "agent"
"""Our own agent on the phones, as a client."""
DROPBOX = "dropbox"
"""Android's own store of dumps: beyond six entries of one process in ten minutes it keeps few, and
says in the next one how many it dropped (ActivityManagerService, `Dropped-Count`)."""

_AGENT_REASONS = frozenset(
    {"queue_full", "too_old", "too_large", "os_rate_limit", "no_consent", "storage_error"}
)
_MAX_ENTRIES = 100
_MAX_QUANTITY = 1_000_000
_REASONS = frozenset(
    {
        "backpressure", "before_send", "buffer_overflow", "cache_overflow", "event_processor",
        "ignored", "insufficient_data", "internal_sdk_error", "invalid", "network_error",
        "no_parent_span", "queue_overflow", "quota_exceeded", "ratelimit_backoff", "sample_rate",
        "send_error", "too_big",
    }
)  # fmt: skip
_CATEGORIES = frozenset(
    {
        "attachment", "check_in", "client_report", "default", "error", "event", "feedback",
        "internal", "log", "log_byte", "log_item", "metric_bucket", "minidump", "monitor",
        "profile", "profile_chunk", "profile_chunk_ui", "replay", "replay_event",
        "replay_recording", "security", "session", "sessions", "span", "statsd", "trace_metric",
        "transaction", "user_report", "user_report_v2", "vroom", "view_hierarchy",
    }
)  # fmt: skip
_CLIENTS = frozenset(
    {
        "acra", "breakpad", "sentry.cocoa", "sentry.dart", "sentry.dart.flutter", "sentry.dotnet",
        "sentry.go", "sentry.java", "sentry.java.android", "sentry.java.android.flutter",
        "sentry.java.android.react-native", "sentry.javascript.browser", "sentry.javascript.node",
        "sentry.javascript.react-native", "sentry.native", "sentry.native.android",
        "sentry.native.android.flutter", "sentry.python", "sentry.rust", "sentry.unity",
        "sentry-cli",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Loss:
    """So many things of one category that a client does not deliver, for one reason."""

    client: str
    reason: str
    category: str
    count: int


class LossCounter:
    """Gathers the losses of one request; `client` is the SDK's name, with or without version."""

    def __init__(self, client: str) -> None:
        name = client.partition("/")[0].lower()
        self._client = name if name in _CLIENTS else OTHER
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, reason: str, category: str, count: int = 1) -> None:
        """Count what we do not keep. `reason` is one of this module's words."""
        self._counts[reason, _known(category, _CATEGORIES)] += count

    def add_client_report(self, report: Mapping[str, Any]) -> None:
        """Count what the client says it discarded."""
        for name in ("discarded_events", "rate_limited_events", "filtered_events"):
            entries = report.get(name)
            for entry in entries[:_MAX_ENTRIES] if isinstance(entries, list) else []:
                self._add_entry(entry)

    def _add_entry(self, entry: Any) -> None:
        if not isinstance(entry, dict):
            return
        quantity = min(number_of(entry.get("quantity")) or 0, _MAX_QUANTITY)
        reason = _known(entry.get("reason"), _REASONS)
        category = _known(entry.get("category"), _CATEGORIES)
        if quantity:
            self._counts[reason, category] += quantity

    def losses(self) -> list[Loss]:
        """What was counted, in a fixed order."""
        return [
            Loss(self._client, reason, category, count)
            for (reason, category), count in sorted(self._counts.items())
        ]


def losses_of_agent(discarded: Mapping[str, int], *, unknown_keys: int) -> list[Loss]:
    """What our own agent says it had to throw away, and what we dropped of its report."""
    counts: Counter[str] = Counter()
    for reason, count in discarded.items():
        counts[_known(reason, _AGENT_REASONS)] += count
    losses = [Loss(AGENT, reason, "report", count) for reason, count in sorted(counts.items())]
    if unknown_keys:
        losses.append(Loss(AGENT, UNKNOWN_KEYS, "report", unknown_keys))
    return [loss for loss in losses if loss.count]


def malformed_by_agent(count: int) -> list[Loss]:
    """Reports of our own agent that could not be read; it does not send them again."""
    return [Loss(AGENT, MALFORMED, "report", count)] if count else []


def dropped_by_android(details: Mapping[str, Any]) -> int:
    """How many entries before it an entry of DropBox says were dropped."""
    said = details.get("dropped_count")
    return min(max(said, 0), _MAX_QUANTITY) if isinstance(said, int) else 0


def losses_of_dropbox(count: int) -> list[Loss]:
    """Entries that Android dropped before anybody could send them."""
    return [Loss(DROPBOX, "os_rate_limit", "report", count)] if count else []


def _known(word: Any, words: frozenset[str]) -> str:
    return word if isinstance(word, str) and word in words else OTHER
