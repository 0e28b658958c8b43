"""One occurrence, as the dump makers see it, and what they make of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import TypeAlias

from crashes.management.fleet.models import App, OsBuild, PhoneModel
from crashes.stack import PayloadFormat


@dataclass(frozen=True, slots=True)
class Scene:
    """Where and when something happens. `local_at` is in the phone's time zone.

    `shape` numbers what compilers and call paths vary about one bug (0 to 3); `version_index` is
    the app's version, or the OS build's number for a system app.
    """

    model: PhoneModel
    build: OsBuild
    build_index: int
    app: App | None
    process: str
    version_index: int
    local_at: datetime
    uptime_ms: int
    pid: int
    foreground: bool
    shape: int
    random: Random

    @property
    def fingerprint(self) -> str:
        """The phone's build fingerprint."""
        return self.model.fingerprint(self.build)

    @property
    def package(self) -> str:
        """The app's package, or an empty text for a native daemon."""
        return self.app.package if self.app else ""

    @property
    def version(self) -> tuple[str, int]:
        """The app's version name and code; a system app has the release's."""
        if self.app is None or self.app.is_system:
            return self.build.release, API_LEVELS[self.build.release]
        return self.app.versions[self.version_index]

    @property
    def uid(self) -> int:
        """The app's uid, or that of a system daemon."""
        return self.app.uid if self.app else 1047


@dataclass(frozen=True, slots=True)
class Dump:
    """A payload: its claimed format and its bytes."""

    format: PayloadFormat
    content: bytes

    @property
    def is_binary(self) -> bool:
        """Whether it has to travel as a file part."""
        return self.format is PayloadFormat.TOMBSTONE_PROTO


DumpMaker: TypeAlias = Callable[[Scene], Dump]

API_LEVELS = {"12": 31, "13": 33, "14": 34, "15": 35}
SHAPES = 4
