"""Rows for tests: each factory builds the least that is valid; the test states what matters.

Every function takes keyword arguments for the fields that the test cares about and passes them on
to the table. Counters are not kept up by themselves: a test that reads them says what they are.
"""

import hashlib
import itertools
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import zstandard
from django.contrib.auth.models import Group, User

from crashes.models import (
    Attachment,
    ClientLoss,
    DebugFile,
    Issue,
    IssueDevice,
    IssueTally,
    MissingDebugFile,
    Report,
    ReportContent,
    StackVariant,
)
from crashes.packing import Document, pack_document, pack_payload
from crashes.selectors.contents import document_of
from crashes.services.blobs import blobs
from crashes.stack import Crash, CrashKind, Frame, FrameStatus, Thread
from devices.models import Device, Membership, Program
from devices.services.access import issue_api_token
from uxp_diag.roles import Role, Scope, scopes_of
from uxp_diag.viewer import Viewer

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
"""The moment at which tests take place unless they say otherwise."""

PASSWORD = "only-for-tests"  # noqa: S105

_numbers = itertools.count(1)


def _next(name: str) -> str:
    return f"{name}-{next(_numbers)}"


# People and programs --------------------------------------------------------------------------


def make_program(**fields: Any) -> Program:
    """A program."""
    return Program.objects.create(**{"name": _next("program"), "created_at": NOW, **fields})


def make_user(role: Role, *, programs: Iterable[Program] = (), username: str = "") -> User:
    """A person with one role who works on these programs; the password is `PASSWORD`."""
    user = User.objects.create_user(username or _next(role.value), password=PASSWORD)
    group, _ = Group.objects.get_or_create(name=role.value)
    user.groups.add(group)
    for program in programs:
        Membership.objects.create(user=user, program=program)
    return user


def make_viewer(*programs: Program, role: Role = Role.VIEWER) -> Viewer:
    """A viewer of these programs, without a row behind it."""
    return Viewer(
        name=role.value,
        scopes=scopes_of(frozenset({role.value})),
        program_ids=frozenset(program.pk for program in programs),
    )


def make_api_token(program: Program, *scopes: Scope) -> str:
    """A fresh API token with these scopes, valid at the real present."""
    far = timedelta(days=36_500)
    return issue_api_token(
        program, label=_next("token"), scopes=[str(item) for item in scopes], now=NOW, lifetime=far
    )


def make_device(program: Program, **fields: Any) -> Device:
    """An enrolled phone whose owner allows development."""
    defaults = {
        "id": uuid.uuid4(),
        "program": program,
        "model": "Nokia G42 5G",
        "build_fingerprint": "Nokia/Arrow/ARW:14/UKQ1.230924.002/V3.420:user/release-keys",
        "os_version": "14",
        "os_build": "V3.420",
        "mcc": "244",
        "mnc": "05",
        "enrolled_at": NOW,
        "last_seen_at": NOW,
        "policy_version": "2023-04-17",
        "allows_development": True,
    }
    return Device.objects.create(**{**defaults, **fields})


# Crashes --------------------------------------------------------------------------------------


def make_frame(function: str, **fields: Any) -> Frame:
    """One managed frame, unless the fields say otherwise."""
    return Frame(**{"index": 0, "function": function, "status": FrameStatus.JAVA, **fields})


def make_thread(*functions: str, **fields: Any) -> Thread:
    """A crashing thread of managed frames with these functions, innermost first."""
    frames = tuple(make_frame(name, index=index) for index, name in enumerate(functions))
    return Thread(**{"name": "main", "tid": 1, "crashing": True, "frames": frames, **fields})


def make_crash(**fields: Any) -> Crash:
    """A Java crash with a stack of one frame."""
    defaults = {
        "kind": CrashKind.JAVA_CRASH,
        "package": "com.example.app",
        "exception_type": "java.lang.IllegalStateException",
        "threads": (make_thread("com.example.app.Main.run"),),
    }
    return Crash(**{**defaults, **fields})


def make_issue(program: Program, **fields: Any) -> Issue:
    """An open issue that was seen once, now."""
    defaults = {
        "program_id": program.pk,
        "kind": CrashKind.JAVA_CRASH.value,
        "signature": _next("IllegalStateException at Main.run"),
        "package": "com.example.app",
        "first_seen_at": NOW,
        "last_seen_at": NOW,
        "first_os_build": "V3.420",
        "last_os_build": "V3.420",
        "report_count": 1,
        "device_count": 1,
    }
    return Issue.objects.create(**{**defaults, **fields})


def make_issues(program: Program, count: int, **fields: Any) -> list[Issue]:
    """Many issues, each seen a minute before the one made earlier."""
    return [
        make_issue(program, **{"last_seen_at": NOW - timedelta(minutes=number), **fields})
        for number in range(count)
    ]


def make_tally(issue: Issue, **fields: Any) -> IssueTally:
    """One report of the issue, today, in one cell."""
    defaults = {
        "issue": issue,
        "day": NOW.date(),
        "model": "Nokia G42 5G",
        "os_build": "V3.420",
        "version_name": "1.4.2",
        "mcc": "244",
        "reports": 1,
    }
    return IssueTally.objects.create(**{**defaults, **fields})


def make_tallies(issue: Issue, days: Sequence[tuple[date, int]], **fields: Any) -> None:
    """Reports of the issue per day: (day, reports)."""
    for day, reports in days:
        make_tally(issue, day=day, reports=reports, **fields)


def make_issue_device(issue: Issue, device_id: uuid.UUID | None = None) -> IssueDevice:
    """A device that met the issue."""
    return IssueDevice.objects.create(
        issue=issue, device_id=device_id or uuid.uuid4(), first_seen_at=issue.first_seen_at
    )


def make_variant(issue: Issue, **fields: Any) -> StackVariant:
    """One distinct stack of the issue."""
    defaults = {
        "program_id": issue.program_id,
        "mechanism": "v1",
        "scope": f"managed/{issue.package}",
        "exact_key": f"{next(_numbers):064x}",
        "issue": issue,
        "content": {},
        "decision": {},
        "created_at": NOW,
    }
    return StackVariant.objects.create(**{**defaults, **fields})


def make_report(program: Program, **fields: Any) -> Report:
    """A report that waits for a worker, without content."""
    defaults = {
        "program_id": program.pk,
        "device_id": uuid.uuid4(),
        "report_id": uuid.uuid4(),
        "kind": CrashKind.JAVA_CRASH.value,
        "received_at": NOW,
        "occurred_at": NOW,
        "model": "Nokia G42 5G",
        "os_version": "14",
        "os_build": "V3.420",
        "process": "com.example.app",
        "package": "com.example.app",
        "version_name": "1.4.2",
        "version_code": 1402,
        "mcc": "244",
        "mnc": "05",
    }
    return Report.objects.create(**{**defaults, **fields})


def make_done_report(issue: Issue, *, crash: Crash | None = None, **fields: Any) -> Report:
    """A report of the issue that went through the pipeline, with its content."""
    defaults = {
        "program_id": issue.program_id,
        "state": Report.State.DONE,
        "kind": issue.kind,
        "package": issue.package,
        "issue": issue,
        "variant": make_variant(issue) if "variant" not in fields else None,
        "occurred_at": issue.last_seen_at,
        "received_at": issue.last_seen_at,
    }
    program = Program.objects.get(pk=issue.program_id)
    report = make_report(program, **{**defaults, **fields})
    make_content(report, crash=crash or make_crash(kind=CrashKind(issue.kind)))
    return report


def make_content(
    report: Report,
    *,
    crash: Crash | None = None,
    envelope: dict[str, Any] | None = None,
    grouping: dict[str, Any] | None = None,
    raw: bytes = b"",
    **fields: Any,
) -> ReportContent:
    """What a report holds beside its row; `raw` is kept inline."""
    defaults = {
        "report": report,
        "document": pack_document(
            Document(
                {"payload": {"format": "java_stacktrace"}} if envelope is None else envelope,
                crash,
                make_receipt() if crash is not None and grouping is None else grouping,
            )
        ),
        "raw": pack_payload(raw),
        "raw_format": "java_stacktrace",
        "raw_bytes": len(raw),
    }
    return ReportContent.objects.create(**{**defaults, **fields})


def make_attachment(report: Report, content: bytes = b"", **fields: Any) -> Attachment:
    """A file of the report that is here as a whole; `content` is kept in the store of blobs."""
    sha256 = hashlib.sha256(content).hexdigest()
    defaults = {
        "program_id": report.program_id,
        "device_id": report.device_id,
        "report_id": report.report_id,
        "sha256": sha256,
        "size_bytes": len(content),
        "received_bytes": len(content),
        "format": "file",
        "state": Attachment.State.COMPLETE,
        "blob": blobs().new_key("attachments"),
        "created_at": report.received_at,
    }
    attachment = Attachment.objects.create(**{**defaults, **fields})
    blobs().put(attachment.blob, [zstandard.compress(content)])
    return attachment


def make_loss(program: Program, **fields: Any) -> ClientLoss:
    """One report that the agent's queue had no room for."""
    defaults = {
        "program_id": program.pk,
        "client": "agent",
        "reason": "queue_full",
        "category": "report",
        "day": NOW.date(),
        "count": 1,
    }
    return ClientLoss.objects.create(**{**defaults, **fields})


def make_receipt(**fields: Any) -> dict[str, Any]:
    """What grouping says about a stack that opened an issue."""
    defaults = {
        "mechanism": "v1",
        "score": None,
        "matched": "new",
        "threshold": 0.22,
        "joined_variant": None,
        "next_best": None,
        "similar_variants": [],
        "linked_variants": [],
        "explanation": ["compared within managed/com.example.app", "1 own frames"],
    }
    return {**defaults, **fields}


def change_document(report: Report, **fields: Any) -> None:
    """Other values for what is kept of a report beside its payload."""
    content = report.content
    content.document = pack_document(replace(document_of(content), **fields))
    content.save()


# Debug files ----------------------------------------------------------------------------------


def make_debug_file(program: Program, **fields: Any) -> DebugFile:
    """A debug file that is ready; there are no bytes behind it."""
    number = next(_numbers)
    defaults = {
        "program_id": program.pk,
        "build_id": f"{number:040x}",
        "kind": "elf",
        "arch": "arm64",
        "name": "libexample.so",
        "sha256": f"{number:064x}",
        "size_bytes": 123_456,
        "facts": {"has_dwarf": True},
        "state": DebugFile.State.READY,
        "symcache_version": 1,
        "created_at": NOW,
    }
    return DebugFile.objects.create(**{**defaults, **fields})


def make_missing_debug_file(program: Program, **fields: Any) -> MissingDebugFile:
    """A build id that one report asked for in vain."""
    defaults = {
        "program_id": program.pk,
        "build_id": f"{next(_numbers):040x}",
        "arch": "arm64",
        "module": "/system/lib64/libexample.so",
        "reports": 1,
        "last_seen_at": NOW,
    }
    return MissingDebugFile.objects.create(**{**defaults, **fields})
