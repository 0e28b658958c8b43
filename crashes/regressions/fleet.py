"""A fleet on its way from one version to the next: devices, and what each uploaded for each day.

Day 0 is the first day of the rollout; days before it are negative. A row is known from the day
it arrived on, which may be a week after the day it tells of.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class MalformedFleet(Exception):
    """The arrays do not describe a fleet; the text names the array and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Devices:
    """One entry per device: model, OS and country, as numbers from 0."""

    model: Ints
    os: Ints
    country: Ints

    @property
    def count(self) -> int:
        """How many devices."""
        return len(self.model)


@dataclass(frozen=True, slots=True)
class DeviceDays:
    """One entry per uploaded device-day.

    `days_since_update` is -1 on the old version. `crashes` and `anrs` are nan where the device
    does not count them, which is not zero. `drain_pct_h` is battery percent per hour of
    discharge, nan if it was never discharging; `cold_ms` the geometric mean of the cold starts,
    nan without one.
    """

    device: Ints
    day: Ints
    new_version: Flags
    days_since_update: Ints
    arrival_day: Ints
    usage_hours: Floats
    crashes: Floats
    anrs: Floats
    drain_pct_h: Floats
    cold_ms: Floats
    cold_n: Floats


@dataclass(frozen=True, slots=True)
class Fleet:
    """Devices and their days."""

    devices: Devices
    days: DeviceDays


def make_fleet(*, devices: dict[str, Any], days: dict[str, Any]) -> Fleet:
    """A fleet from plain arrays named as the fields are. Raises MalformedFleet."""
    made = Devices(**_columns(Devices, devices))
    rows = DeviceDays(**_columns(DeviceDays, days))
    if len(rows.device) and not 0 <= rows.device.min() <= rows.device.max() < made.count:
        raise MalformedFleet("device: a row names a device that is not in the table")
    for name in ("model", "os", "country"):
        if made.count and getattr(made, name).min() < 0:
            raise MalformedFleet(f"{name}: negative numbers name nothing")
    return Fleet(made, rows)


_TYPES: dict[Any, type] = {Ints: np.int64, Floats: np.float64, Flags: np.bool_}


def _columns(table: type, given: dict[str, Any]) -> dict[str, Any]:
    """The arrays of a table, in its own types and of one length."""
    found: dict[str, Any] = {}
    for field in fields(table):
        if field.name not in given:
            raise MalformedFleet(f"{field.name}: missing")
        column = np.asarray(given[field.name])
        if column.ndim != 1 or column.dtype.kind not in "biuf":
            raise MalformedFleet(f"{field.name}: not a list of numbers")
        found[field.name] = column.astype(_TYPES[field.type])
    lengths = {len(column) for column in found.values()}
    if len(lengths) > 1:
        raise MalformedFleet(f"{table.__name__}: columns of different lengths")
    return found
