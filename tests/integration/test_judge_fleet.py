"""`manage.py judge_fleet`: files in, alerts out."""

import json
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from crashes.regressions.fleet import DeviceDays, Fleet
from tests.unit.regressions.fleets import Truth, make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _write(make(7, Truth(effect=2.0, metric="drain", model=0), devices=4_000), tmp_path)
    return tmp_path


def _write(fleet: Fleet, folder: Path) -> None:
    devices = fleet.devices
    np.savez_compressed(
        folder / "devices.npz",
        model=devices.model.astype(np.int16),
        os=devices.os.astype(np.int8),
        country=devices.country.astype(np.int8),
        prev_release_lag_days=np.zeros(devices.count, np.float16),
    )
    rows = {name: getattr(fleet.days, name) for name in DeviceDays.__dataclass_fields__}
    np.savez_compressed(folder / "records.npz", **rows)


def test_alerts_are_written_as_json_lines_and_the_truth_is_not_read(folder, tmp_path):
    (folder / "truth.json").write_text("not even JSON")
    output = tmp_path / "alerts.jsonl"

    call_command("judge_fleet", input=str(folder), output=str(output))

    alerts = [json.loads(line) for line in output.read_text().splitlines()]
    assert {alert["metric"] for alert in alerts} == {"drain"}
    assert alerts[-1]["slice"] == {"model": 0, "os": None}
    assert alerts[-1]["low"] < 2.0 < alerts[-1]["high"]
    assert [alert["day"] for alert in alerts] == sorted(alert["day"] for alert in alerts)


def test_a_folder_without_a_fleet_is_refused_with_the_name_of_the_file(tmp_path):
    with pytest.raises(CommandError, match=r"devices\.npz"):
        call_command("judge_fleet", input=str(tmp_path))


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no archive", b"\x93NUMPY\x01\x00garbage"])
def test_damaged_files_are_refused(folder, damage):
    (folder / "records.npz").write_bytes(damage)

    with pytest.raises(CommandError, match=r"records\.npz"):
        call_command("judge_fleet", input=str(folder))


def test_pickled_objects_are_refused(folder):
    np.savez(folder / "devices.npz", model=np.array([{"a": 1}], dtype=object))

    with pytest.raises(CommandError, match=r"devices\.npz"):
        call_command("judge_fleet", input=str(folder))
