"""Roll-ups of vitals: made as samples come, made again with the same result, rid of who leaves."""

import uuid
from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone

from crashes.services.erasing import erase_waiting
from crashes.tasks import roll_up_vitals
from devices.models import AppVitalCell, Device, VitalCell, VitalMark, VitalSample
from devices.services.erasure import REQUEST, request_erasure
from devices.services.retention import forget_old_samples
from devices.services.rollups import roll_up, roll_up_one_day
from tests.integration.conftest import enrollment
from tests.integration.test_vitals_upload import lines, sample

pytestmark = pytest.mark.django_db

DAY = date(2026, 3, 1)
OTHER_IMEI = "356938035643809"


def of_day(day=DAY, **more):
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return (
        sample(
            interval_start=start.isoformat(), interval_end=(start + timedelta(days=1)).isoformat()
        )
        | more
    )


def cells():
    """All roll-ups, without what differs from one making to the next."""
    return [
        sorted((tuple(row.values()) for row in table.objects.values(*names)), key=repr)
        for table, names in (
            (VitalCell, ("day", "model", "os_build", "mcc", "devices", "samples", "content")),
            (AppVitalCell, ("day", "package", "version_code", "devices", "content")),
        )
    ]


@pytest.fixture
def other_token(send, key):
    return send("devices/enroll/", enrollment(imei=OTHER_IMEI), token=key).json()["device_token"]


def work():
    while roll_up_one_day(now=timezone.now() + timedelta(minutes=1)):
        pass


def test_a_damaged_sample_holds_up_no_day(send, device_token, other_token):
    send("vitals/", lines(of_day()), token=device_token)
    VitalSample.objects.update(content=b"not packed here")
    send("vitals/", lines(of_day()), token=other_token)
    send("vitals/", lines(of_day(DAY + timedelta(1))), token=other_token)

    work()

    assert not VitalMark.objects.exists()
    found = VitalCell.objects.order_by("day").values_list("day", "devices", "samples")
    assert list(found) == [(DAY, 1, 1), (DAY + timedelta(1), 1, 1)]


def test_an_upload_is_rolled_up_by_day_model_build_and_country(send, device_token, other_token):
    send("vitals/", lines(of_day(), of_day()), token=device_token)
    send("vitals/", lines(of_day(), of_day(DAY + timedelta(1))), token=other_token)

    work()

    first, second = VitalCell.objects.order_by("day")
    assert (first.day, first.model, first.os_build, first.mcc) == (
        DAY, "Nokia G42 5G", "V3.420", "244",
    )  # fmt: skip
    assert (first.devices, first.samples, second.devices) == (2, 3, 1)
    app = AppVitalCell.objects.order_by("day")[0]
    assert (app.package, app.devices) == ("com.example.app", 2)
    assert not VitalMark.objects.exists()


def test_late_samples_and_any_order_give_the_same_roll_ups(send, device_token, other_token):
    mine, others = [of_day() for _ in range(3)], [of_day() for _ in range(2)]
    send("vitals/", lines(*mine[:1]), token=device_token)
    work()
    send("vitals/", lines(*others), token=other_token)
    work()
    send("vitals/", lines(*mine[1:]), token=device_token)
    work()
    grown = cells()

    VitalCell.objects.all().delete()
    AppVitalCell.objects.all().delete()
    roll_up(Device.objects.values_list("program_id", flat=True)[0], DAY)

    assert cells() == grown


def test_a_duplicate_makes_no_work(send, device_token):
    one = of_day()
    send("vitals/", lines(one), token=device_token)
    work()

    send("vitals/", lines(one), token=device_token)

    assert not VitalMark.objects.exists()


def test_an_erased_device_is_in_no_roll_up(send, device_token, other_token):
    send("vitals/", lines(of_day()), token=other_token)
    work()
    alone = cells()
    send("vitals/", lines(of_day(), of_day(DAY + timedelta(1))), token=device_token)
    work()
    assert cells() != alone
    mine = Device.objects.order_by("enrolled_at")[0]
    assert VitalSample.objects.filter(device_id=mine.pk).count() == 2

    request_erasure(mine.pk, reason=REQUEST, now=timezone.now())
    assert erase_waiting(now=timezone.now())
    work()

    assert cells() == alone


def test_what_is_too_old_leaves_with_its_roll_ups(send, device_token):
    send("vitals/", lines(of_day(), of_day(DAY + timedelta(2))), token=device_token)
    work()

    forget_old_samples(before=datetime(2026, 3, 2, 12, tzinfo=UTC))
    work()

    assert [cell.day for cell in VitalCell.objects.all()] == [DAY + timedelta(2)]


def test_the_worker_rolls_up_what_has_waited(send, device_token):
    send("vitals/", lines(of_day(), of_day(sample_id=str(uuid.uuid4()))), token=device_token)
    assert not roll_up_one_day(now=datetime(2020, 1, 1, tzinfo=UTC))

    VitalMark.objects.update(marked_at=datetime(2020, 1, 1, tzinfo=UTC))
    roll_up_vitals()

    assert VitalCell.objects.get().samples == 2
