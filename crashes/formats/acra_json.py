"""Reports of ACRA (ReportField), as JSON.

A report has some forty fields; a value that could not be had is the text `N/A`. The stack stands
in STACK_TRACE as the JVM prints it. Its thread is named in THREAD_DETAILS, the phone in BUILD.
Silent reports (IS_SILENT) come from code that handled the exception or only had something to say.

Not read, because they are about the person or the rest of the phone: DEVICE_ID, INSTALLATION_ID,
USER_EMAIL, USER_COMMENT, USER_IP, LOGCAT and the other logs, SETTINGS_*, SHARED_PREFERENCES,
ENVIRONMENT, CUSTOM_DATA, APPLICATION_LOG, FILE_PATH, BUILD.HOST, BUILD.USER and BUILD.SERIAL.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from crashes.formats import java_stacktrace
from crashes.formats.errors import MalformedPayload
from crashes.formats.json_values import integer, json_object, mapping, text
from crashes.formats.tombstone_parts import present
from crashes.stack import Crash, CrashKind, JsonValue, Thread

_KNOWN_BY = ("STACK_TRACE", "REPORT_ID", "PACKAGE_NAME")
_NOTHING = "N/A"
_MAX_CODE = 2**63
_ABIS = {"arm64-v8a": "arm64", "armeabi-v7a": "arm", "armeabi": "arm"}


def parse(payload: bytes) -> Crash:
    """The crash of one report. Raises MalformedPayload `malformed_json` or `not_acra`."""
    report = json_object(payload)
    if not any(name in report for name in _KNOWN_BY):
        raise MalformedPayload("not_acra", "no field of an ACRA report is there", where="line 1")
    crash = _with_thread(_stack(report), mapping(report.get("THREAD_DETAILS")))
    build = mapping(report.get("BUILD"))
    package = _said(report, "PACKAGE_NAME", 200)
    return replace(
        crash,
        kind=CrashKind.ERROR if _is_silent(report) else CrashKind.JAVA_CRASH,
        process=crash.process or package,
        package=package,
        version_name=_said(report, "APP_VERSION_NAME", 100),
        version_code=_version_code(report),
        abi=_abi(build),
        build_fingerprint=_said(build, "FINGERPRINT", 200),
        timestamp=_said(report, "USER_CRASH_DATE", 40),
        details={**crash.details, **_details(report, build)},
    )


def _stack(report: Mapping[str, Any]) -> Crash:
    """The stack of the report; what is no stack becomes the reason."""
    said = text(report.get("STACK_TRACE")) or ""
    try:
        return java_stacktrace.parse(said.encode("utf-8", "replace"))
    except MalformedPayload:
        reason = said.strip()
        return Crash(CrashKind.ERROR, reason=None if reason in ("", _NOTHING) else reason)


def _with_thread(crash: Crash, said: Mapping[str, Any]) -> Crash:
    name, tid = text(said.get("name"), 200), integer(said.get("id"))
    if not crash.threads and name is None:
        return crash
    first = crash.threads[0] if crash.threads else Thread(crashing=True)
    named = replace(first, name=first.name or name, tid=first.tid or tid)
    return replace(crash, tid=named.tid, threads=(named, *crash.threads[1:]))


def _is_silent(report: Mapping[str, Any]) -> bool:
    return str(report.get("IS_SILENT")).lower() == "true"


def _said(source: Mapping[str, Any], name: str, limit: int) -> str | None:
    value = source.get(name)
    found = str(value) if isinstance(value, int | float) else text(value, limit)
    return None if found in (None, _NOTHING, "unknown") else found


def _version_code(report: Mapping[str, Any]) -> int | None:
    code = integer(report.get("APP_VERSION_CODE"))
    return code if code is not None and code < _MAX_CODE else None


def _abi(build: Mapping[str, Any]) -> str | None:
    """What the phone's code is; the process may have run as the second of its architectures."""
    listed = build.get("SUPPORTED_ABIS")
    first = listed[0] if isinstance(listed, list) and listed else None
    found = text(first, 40) or _said(build, "CPU_ABI", 40)
    return _ABIS.get(found, found) if found else None


def _details(report: Mapping[str, Any], build: Mapping[str, Any]) -> dict[str, JsonValue]:
    version = mapping(build.get("VERSION"))
    return present(
        {
            "android_version": _said(report, "ANDROID_VERSION", 40),
            "phone_model": _said(report, "PHONE_MODEL", 100),
            "brand": _said(report, "BRAND", 100),
            "product": _said(report, "PRODUCT", 100),
            "os_build": _said(build, "DISPLAY", 100),
            "security_patch": _said(version, "SECURITY_PATCH", 40),
            "sdk_int": integer(version.get("SDK_INT")),
            "app_started_at": _said(report, "USER_APP_START_DATE", 40),
            "total_memory_bytes": integer(report.get("TOTAL_MEM_SIZE")),
            "available_memory_bytes": integer(report.get("AVAILABLE_MEM_SIZE")),
            "is_silent": _is_silent(report) or None,
        }
    )
