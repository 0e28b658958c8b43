"""The parsers by the name of their format.

A format that has a name and no parser yet is refused like a damaged payload, with a code of its
own, so that such reports wait in quarantine until there is one.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from crashes.formats import (
    acra_json,
    anr_traces,
    batterystats,
    bugreport,
    core_file,
    dropbox,
    exit_info,
    java_stacktrace,
    kernel_log,
    logcat,
    microdump,
    minidump,
    sentry_event,
    tombstone_proto,
    tombstone_text,
)
from crashes.formats import sniffing as _sniffing
from crashes.formats.errors import MalformedPayload
from crashes.formats.tombstone_parts import inflated
from crashes.stack import Crash, PayloadFormat

__all__ = ["PARSERS", "PARSER_VERSION", "SUPPORTED", "PayloadFormat", "parse_payload", "sniff"]

PARSER_VERSION = 4
"""Grows whenever a parser reads the same bytes differently; stored beside what was parsed."""

PARSERS: Mapping[PayloadFormat, Callable[[bytes], Crash]] = MappingProxyType(
    {
        PayloadFormat.JAVA_STACKTRACE: java_stacktrace.parse,
        PayloadFormat.TOMBSTONE_TEXT: tombstone_text.parse,
        PayloadFormat.TOMBSTONE_PROTO: tombstone_proto.parse,
        PayloadFormat.ANR_TRACES: anr_traces.parse,
        PayloadFormat.DROPBOX: dropbox.parse,
        PayloadFormat.LOGCAT: logcat.parse,
        PayloadFormat.KERNEL_LOG: kernel_log.parse,
        PayloadFormat.MINIDUMP: minidump.parse,
        PayloadFormat.MICRODUMP: microdump.parse,
        PayloadFormat.CORE: core_file.parse,
        PayloadFormat.BATTERYSTATS: batterystats.parse,
        PayloadFormat.BUGREPORT: bugreport.parse,
        PayloadFormat.EXIT_INFO: exit_info.parse,
        PayloadFormat.ACRA_JSON: acra_json.parse,
        PayloadFormat.SENTRY_EVENT: sentry_event.parse,
    }
)
SUPPORTED = frozenset(PARSERS)


def parse_payload(payload_format: PayloadFormat, payload: bytes) -> Crash:
    """The crash in `payload`, which may be gzip.

    Raises MalformedPayload: `unsupported_format`, or what the parser of the format says.
    """
    parse = PARSERS.get(payload_format)
    if parse is None:
        raise MalformedPayload("unsupported_format", f"{payload_format} has no parser")
    return parse(inflated(payload))


def sniff(payload: bytes) -> PayloadFormat | None:
    """The format of `payload` by its content, which may be gzip; None when it looks like none."""
    try:
        return _sniffing.sniff(inflated(payload))
    except MalformedPayload:
        return None
