"""Who owns which phone, and what it runs on which day.

A build reaches a phone in two steps. The maker offers it to a growing part of the fleet (1, 5, 20,
50, 100 percent over ten days); then the owner waits some days before installing it, and a few never
do. Apps spread the same way, without stages. Everything about a phone follows from its number and
the seed, so the same phone answers the same question twice alike.
"""

import math
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from zlib import crc32

from crashes.management.fleet.models import (
    APP_VERSIONS,
    APPS,
    BUILDS_PER_MODEL,
    COUNTRIES,
    MODELS,
    App,
    Country,
    PhoneModel,
)
from devices.identity import luhn_digit

CATALOG_DAYS = 42.0
"""The window in which the catalog counts its rollout days; other windows are scaled to it."""

_STAGES = ((0.01, 0.0), (0.05, 2.0), (0.20, 4.0), (0.50, 7.0), (1.0, 10.0))
_MEAN_LAG_DAYS = 3.5
_NEVER_UPDATES = 0.06
_APP_DAYS = (-100.0, 8.0, 25.0)
_MEAN_APP_LAG_DAYS = 4.0
_INSTALLED = 0.35
_NO_DEVELOPMENT = 0.03
_PERSONALISATION = 0.6
_UNIT = float(2**32)
_SERIALS = 1_000_000


@dataclass(frozen=True, slots=True)
class Device:
    """One phone. `activity` is how often it gets into trouble, relative to the others."""

    number: int
    model: PhoneModel
    country: Country
    mnc: str
    imei: str = field(repr=False)
    activity: float
    battery_age_months: int
    purposes: tuple[str, ...]
    build_days: tuple[float, ...]
    """The day from which it runs each OS build; infinite for one that it never installs."""

    def build_index_at(self, day: float) -> int:
        """Which of the model's builds it runs on a day of the catalog's window."""
        return sum(day >= since for since in self.build_days[1:])

    def has_app(self, app: App) -> bool:
        """Whether the app is on it; system apps always are."""
        return app.is_system or self.draw(app.package) < _INSTALLED

    def version_index_at(self, app: App, day: float) -> int:
        """Which of the app's versions it has on a day of the catalog's window."""
        lag = -_MEAN_APP_LAG_DAYS * math.log(1.0 - self.draw(app.package, "lag"))
        return sum(day >= since + lag for since in _APP_DAYS[1:APP_VERSIONS])

    def draw(self, *about: str) -> float:
        """A number in [0, 1) that belongs to this phone and this subject."""
        return crc32("\n".join((self.imei, *about)).encode()) / _UNIT


def make_population(count: int, *, seed: int) -> list[Device]:
    """`count` phones of all models; the same for the same seed."""
    random = Random(f"population {seed}")  # noqa: S311  a demo, not a secret
    models = random.choices(MODELS, [model.share for model in MODELS], k=count)
    countries = random.choices(COUNTRIES, [country.share for country in COUNTRIES], k=count)
    serials = random.sample(range(_SERIALS), k=min(count, _SERIALS))
    return [
        _device(number, model, country, serial, random)
        for number, (model, country, serial) in enumerate(
            zip(models, countries, serials, strict=True)
        )
    ]


def _device(
    number: int, model: PhoneModel, country: Country, serial: int, random: Random
) -> Device:
    codes, weights = zip(*country.operators, strict=True)
    return Device(
        number=number,
        model=model,
        country=country,
        mnc=random.choices(codes, weights)[0],
        imei=_imei(model.tac, serial),
        activity=random.lognormvariate(0.0, 0.9),
        battery_age_months=random.randint(1, 40),
        purposes=_purposes(random),
        build_days=_build_days(model, random),
    )


def _imei(tac: str, serial: int) -> str:
    body = f"{tac}{serial:06d}"
    return f"{body}{luhn_digit(body)}"


def _purposes(random: Random) -> tuple[str, ...]:
    development = ("development",) if random.random() >= _NO_DEVELOPMENT else ()
    personalisation = ("personalisation",) if random.random() < _PERSONALISATION else ()
    return development + personalisation


def _build_days(model: PhoneModel, random: Random) -> tuple[float, ...]:
    """When the phone got each build; builds stay in order however long an owner waits."""
    wave = random.random()
    offered_after = next(days for part, days in _STAGES if wave < part)
    lags = [random.expovariate(1 / _MEAN_LAG_DAYS) for _ in range(1, BUILDS_PER_MODEL)]
    if random.random() < _NEVER_UPDATES:
        lags[-1] = math.inf
    days = [-math.inf]
    for build, lag in zip(model.builds[1:], lags, strict=True):
        days.append(max(days[-1], build.rollout_day + offered_after + lag))
    return tuple(days)


def enrollment_of(device: Device, *, given_at: datetime) -> dict[str, object]:
    """The body of the phone's enrollment call, with the build it runs at the end of the window."""
    build = device.model.builds[device.build_index_at(CATALOG_DAYS)]
    return {
        "imei": device.imei,
        "model": device.model.name,
        "build_fingerprint": device.model.fingerprint(build),
        "os_version": build.release,
        "os_build": build.label,
        "mcc": device.country.mcc,
        "mnc": device.mnc,
        "consent": {
            "policy_version": "2023-04-17",
            "purposes": list(device.purposes),
            "given_at": given_at.isoformat(),
        },
    }


def third_party_apps() -> list[App]:
    """The apps that owners install."""
    return [app for app in APPS.values() if not app.is_system]
