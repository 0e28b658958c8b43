"""From the door to the issue, on the real database, sandbox and spool."""

import json
import random
import uuid
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.db import DataError
from django.utils import timezone

from crashes.intake.report import decode_report, payload_bytes
from crashes.intake.spool_record import encode_record
from crashes.models import Issue, IssueTally, Report, ReportContent
from crashes.selectors.contents import raw_of
from crashes.services import acceptance, cleaning, reading, sandboxes
from crashes.services.acceptance import Acceptance, Upload, accept_reports, adopt_spool_file
from crashes.services.loading import MAX_LEASES
from crashes.services.processing import lease_reports, list_unannounced, process_reports
from crashes.services.reconciling import reconcile
from crashes.services.spooled import spool
from crashes.tasks import process_reports as ring_for_reports
from devices.models import Device, Program
from uxp_diag.db import update_rows

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
STACK = """java.lang.IllegalStateException: not attached
\tat com.example.shop.CartFragment.refresh(CartFragment.kt:88)
\tat com.example.shop.CartFragment.onResume(CartFragment.kt:41)
\tat androidx.fragment.app.Fragment.performResume(Fragment.java:3072)
\tat android.os.Handler.dispatchMessage(Handler.java:106)
"""

pytestmark = pytest.mark.django_db


def upload(
    text=STACK, *, report_id=None, payload_format="java_stacktrace", program_id=1, device_id=None
):
    document = {
        "report_id": str(report_id or uuid.uuid4()),
        "occurred_at": "2026-11-20T10:00:00Z",
        "kind": "java_crash",
        "process": "com.example.shop",
        "software": {"os_build": "V3.420", "os_version": "14"},
        "app": {"package": "com.example.shop", "version_name": "1.4.2", "version_code": 1402},
        "payload": {"format": payload_format, "text": text},
    }
    report = decode_report(json.dumps(document).encode())
    return Upload(program_id, device_id, "Nokia G42 5G", report, payload_bytes(report.payload), NOW)


def work(now=NOW):
    process_reports(lease_reports(limit=100, now=now), now=now)


def test_a_report_becomes_part_of_an_issue():
    (receipt,) = accept_reports([upload()])

    work()

    report, issue = Report.objects.get(), Issue.objects.get()
    assert (report.pk, report.state) == (receipt.pk, Report.State.DONE)
    assert (report.issue_id, issue.report_count) == (issue.pk, 1)
    assert issue.signature == "IllegalStateException at CartFragment.refresh"
    assert IssueTally.objects.get().reports == 1
    assert list(spool().names()) == []


def test_a_replay_is_a_duplicate_and_counts_once():
    report_id = uuid.uuid4()

    first = accept_reports([upload(report_id=report_id)])
    work()
    again = accept_reports([upload(report_id=report_id)])
    twice = accept_reports([upload(report_id=uuid.UUID(int=7))] * 2)
    work()

    assert first[0].acceptance is Acceptance.ACCEPTED
    assert again[0].acceptance is Acceptance.DUPLICATE
    assert [item.acceptance.value for item in twice] == ["accepted", "duplicate"]
    assert Issue.objects.get().report_count == 2
    assert list(spool().names()) == []


def test_the_same_report_id_of_two_programs_is_two_reports():
    report_id = uuid.uuid4()

    receipts = accept_reports(
        [upload(report_id=report_id), upload(report_id=report_id, program_id=2)]
    )
    work()

    assert [receipt.acceptance for receipt in receipts] == [Acceptance.ACCEPTED] * 2
    assert Issue.objects.count() == 2


def test_a_refused_payload_is_quarantined_at_once_and_kept():
    accept_reports([upload("nothing like a stack"), upload()])

    work()

    bad, good = Report.objects.order_by("pk")
    assert (bad.state, good.state) == (Report.State.QUARANTINED, Report.State.DONE)
    assert bad.failure_code
    assert bad.content.raw is not None
    assert list(spool().names()) == []


def test_three_failures_end_in_quarantine(monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr("crashes.services.digesting.symbolicate_crash", broken)
    accept_reports([upload()])

    now = NOW
    for _ in range(3):
        work(now)
        now += timedelta(minutes=5)

    report = Report.objects.get()
    assert report.state == Report.State.QUARANTINED
    assert (report.attempts, report.failure_code) == (3, "digest_failed")


def test_a_lost_lease_is_found_by_the_sweeper_and_worked_on_again():
    accept_reports([upload()])
    lease_reports(limit=10, now=NOW)

    assert lease_reports(limit=10, now=NOW) == []
    later = NOW + timedelta(minutes=3)
    assert len(list_unannounced(now=later, limit=10)) == 1
    work(later)

    assert Report.objects.get().state == Report.State.DONE


def test_a_worker_that_lost_its_lease_stores_nothing():
    accept_reports([upload()])
    slow = lease_reports(limit=10, now=NOW)
    later = NOW + timedelta(minutes=3)
    work(later)

    process_reports(slow, now=later)

    assert Issue.objects.get().report_count == 1


def test_a_report_that_ends_its_workers_is_quarantined_and_ends_no_other():
    accept_reports([upload(), upload(), upload()])
    deadly, *_ = Report.objects.order_by("pk").values_list("pk", flat=True)
    now, rounds = NOW, 0

    while rows := lease_reports(limit=50, now=now):
        if deadly not in [row.pk for row in rows] or rows[0].attempts > MAX_LEASES:
            process_reports(rows, now=now)  # else the worker dies of it
        now, rounds = now + timedelta(minutes=1), rounds + 1

    report = Report.objects.get(pk=deadly)
    assert (report.state, report.failure_code) == (Report.State.QUARANTINED, "worker_died")
    assert report.content.raw_bytes == 0  # nobody has lived to clean it
    assert Report.objects.filter(state=Report.State.DONE).count() == 2
    assert rounds == MAX_LEASES + 3


def test_a_clock_that_was_set_back_holds_up_no_report():
    accept_reports([upload()])
    lease_reports(limit=10, now=NOW + timedelta(hours=1))

    assert len(list_unannounced(now=NOW, limit=10)) == 1
    work()

    assert Report.objects.get().state == Report.State.DONE


def test_reports_whose_spool_is_away_keep_their_file_for_when_it_is_back():
    accept_reports([upload()])
    spool()._folder.rename(spool()._folder.with_name("elsewhere"))
    now = NOW
    for _ in range(3):
        work(now)
        now += timedelta(minutes=5)
    spool()._folder.with_name("elsewhere").rename(spool()._folder)

    reconcile(now=datetime(2100, 1, 1, tzinfo=UTC))

    report = Report.objects.get()
    assert (report.state, report.failure_code) == (Report.State.QUARANTINED, "spool_unreadable")
    assert [report.spool_file] == [name for name, _ in spool().names()]
    assert "/" not in report.failure_detail


def test_one_bell_for_many_reports_works_on_all_of_them():
    accept_reports([upload() for _ in range(3)])
    lease_reports(limit=10, now=timezone.now() - timedelta(minutes=5))

    ring_for_reports(report_pks=list(Report.objects.values_list("pk", flat=True)))

    assert set(Report.objects.values_list("state", flat=True)) == {"done"}


def test_a_spool_file_without_rows_is_adopted_once():
    accept_reports([upload()])
    ((name, _),) = spool().names()
    Report.objects.all().delete()

    assert adopt_spool_file(name) == 1
    assert adopt_spool_file(name) == 0


def test_a_commit_that_comes_later_than_the_reconciler_looked_keeps_its_file():
    accept_reports([upload()])
    ((name, _),) = spool().names()

    assert adopt_spool_file(name) == 0

    work()
    assert Report.objects.get().state == Report.State.DONE


def test_a_slow_writer_keeps_the_file_that_was_adopted_meanwhile(monkeypatch):
    insert_rows = acceptance._insert_rows

    def slow(uploads, lengths, name):
        adopt_spool_file(name)
        return insert_rows(uploads, lengths, name)

    monkeypatch.setattr(acceptance, "_insert_rows", slow)

    (receipt,) = accept_reports([upload()])
    work()

    assert receipt.acceptance is Acceptance.DUPLICATE
    assert Report.objects.get().state == Report.State.DONE
    assert list(spool().names()) == []


def test_a_spool_file_that_cannot_be_adopted_holds_up_no_other_and_stays(caplog):
    accept_reports([upload()])
    accept_reports([upload()])
    strange, _ = (name for name, _ in spool().names())
    Report.objects.all().delete()
    header = {
        "program_id": 1, "device_id": None, "model": "", "received_at": "2026-11-20T12:00:00Z",
        "envelope": {"report_id": "of another version"},
    }  # fmt: skip
    spool()._folder.joinpath(strange).write_bytes(encode_record(header, b""))

    result = reconcile(now=datetime(2100, 1, 1, tzinfo=UTC))

    assert result.adopted_reports == Report.objects.count() == 1
    assert strange in dict(spool().names())
    assert strange in caplog.text


def test_a_damaged_spool_file_gives_what_is_whole_and_stays(caplog):
    accept_reports([upload()])
    ((name, _),) = spool().names()
    Report.objects.all().delete()
    path = spool()._folder / name
    path.write_bytes(path.read_bytes() + b"UXP1 and then nothing")

    assert adopt_spool_file(name) == 1
    work()
    reconcile(now=datetime(2100, 1, 1, tzinfo=UTC))

    assert Report.objects.get().state == Report.State.DONE
    assert "damaged" in caplog.text


def test_half_files_of_dead_writers_go_after_an_hour():
    accept_reports([upload()])
    ((name, changed),) = spool().names()
    half = spool()._folder / f"{name[:2]}/.{name[3:]}.0a1b2c3d"
    half.write_bytes(b"half")

    reconcile(now=datetime.fromtimestamp(changed, UTC))
    assert half.exists()

    reconcile(now=datetime(2100, 1, 1, tzinfo=UTC))
    assert not half.exists()


def test_one_refused_upload_of_a_group_does_not_hurt_the_others(monkeypatch):
    commit = acceptance._commit

    def refusing(uploads):
        if any(item.payload == b"refused" for item in uploads):
            raise DataError("value too long")
        return commit(uploads)

    monkeypatch.setattr(acceptance, "_commit", refusing)
    good, bad = (acceptance._Waiting([item], Future()) for item in (upload(), upload("refused")))
    committer = object.__new__(acceptance.Committer)

    committer._commit_group([bad, good])

    assert good.done.result()[0].acceptance is Acceptance.ACCEPTED
    assert isinstance(bad.done.exception(), DataError)


def test_the_reconciler_adopts_orphans_and_removes_what_is_finished():
    accept_reports([upload()])
    accept_reports([upload()])
    orphan, finished = Report.objects.order_by("pk")
    Report.objects.filter(pk=orphan.pk).delete()
    Report.objects.filter(pk=finished.pk).update(state=Report.State.DONE)

    result = reconcile(now=datetime(2100, 1, 1, tzinfo=UTC))

    assert (result.adopted_reports, result.removed_files) == (1, 1)
    assert Report.objects.filter(state=Report.State.RECEIVED).count() == 1


def test_repeats_beyond_the_budget_are_counted_and_not_stored(settings):
    settings.SIGNATURE_REPORTS_PER_DAY = 2
    program = Program.objects.create(name="program", created_at=NOW)
    device = Device.objects.create(
        id=uuid.uuid4(), program=program, enrolled_at=NOW, last_seen_at=NOW,
        allows_development=True,
    )  # fmt: skip
    another_signature = STACK.replace("CartFragment", "MenuFragment")

    for _ in range(2):
        accept_reports(
            [upload(program_id=program.pk, device_id=device.pk) for _ in range(2)]
            + [upload(another_signature, program_id=program.pk, device_id=device.pk)]
        )
        work()

    issue = Issue.objects.get(signature__contains="CartFragment")
    assert (issue.report_count, issue.device_count) == (4, 1)
    assert ReportContent.objects.filter(report__issue=issue).count() == 2
    assert Report.objects.filter(issue=issue, is_counted_only=True, state="done").count() == 2
    assert Report.objects.exclude(issue=issue).filter(is_counted_only=False).count() == 2
    assert list(spool().names()) == []


def test_locks_of_a_batch_are_taken_in_one_order_before_anything_is_written(monkeypatch):
    taken = []

    def lock(name, **_):
        taken.append((name, Issue.objects.count()))

    monkeypatch.setattr("crashes.services.grouping.lock_name", lock)
    for order in (1, -1):
        packages = ["com.a", "com.b", "com.c"][::order]
        stacks = [STACK.replace("com.example.shop", f"{name}.v{order}") for name in packages]
        accept_reports([upload(stack) for stack in stacks])
        work()

    first, second = taken[: len(taken) // 2], taken[len(taken) // 2 :]
    for names in (first, second):
        assert names == sorted(set(names))
        assert len({issues for _, issues in names}) == 1
    assert Issue.objects.count() > 1


def test_a_store_that_fails_leaves_no_payload_behind(monkeypatch):
    accept_reports([upload(STACK + random.Random(1).randbytes(40_000).hex())])
    failures = iter([DataError("once")])

    def fail_once(*arguments, **more):
        if error := next(failures, None):
            raise error
        update_rows(*arguments, **more)

    monkeypatch.setattr("crashes.services.processing.update_rows", fail_once)
    work()
    work(NOW + timedelta(minutes=1))

    assert Report.objects.get().state == Report.State.DONE
    assert len([path for path in settings.BLOB_DIR.rglob("*") if path.is_file()]) == 1


def test_what_one_visit_to_the_sandbox_is_not_enough_for_takes_two(monkeypatch):
    accept_reports([upload(text=STACK + f"\n\nimei 490154203237518 {place}") for place in range(3)])
    monkeypatch.setattr(reading, "READ", replace(sandboxes.READ, output_bytes=1))
    long_road = []

    def clean_payloads(items):
        long_road.extend(items)
        return cleaning.clean_payloads(items)

    monkeypatch.setattr(reading, "clean_payloads", clean_payloads)

    work()

    assert len(long_road) == 3

    assert {report.state for report in Report.objects.all()} == {Report.State.DONE}
    assert all(
        b"<imei>" in (raw_of(content, max_bytes=1 << 20) or b"")
        for content in ReportContent.objects.all()
    )
