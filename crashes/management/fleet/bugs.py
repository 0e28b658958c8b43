"""What is wrong with the fleet: some fifty bugs, from everyday to rare.

A bug's volume follows its place in the list (Zipf). `builds` and `versions` say how much each OS
build, and each version of the app, is affected: that is where new, worse and fixed bugs come from.

* new in the newest build: `recycled-frame`, a native crash of the camera;
* worse in the newest build: `camera-service`, which follows from it;
* fixed in the newest build: `bad-code`, a native crash of the gallery;
* there in one app version only: `json-promotion`.

To add one, write its story and give it a line here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

from crashes.management.fleet import anr, java_stories, native
from crashes.management.fleet.anr import not_responding
from crashes.management.fleet.crashes_java import java_crash, trace_of
from crashes.management.fleet.dropbox import drop_box_entry, strict_mode_entry
from crashes.management.fleet.models import APPS, App
from crashes.management.fleet.programs import Program
from crashes.management.fleet.scene import Dump, DumpMaker, Scene
from crashes.stack import CrashKind, PayloadFormat

EXPONENT = 0.85
"""Of the Zipf law. The first ten bugs then make half of all reports."""

_ALL = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Bug:
    """One cause. `models` restricts it to models whose name contains one of the texts."""

    key: str
    kind: CrashKind
    process: str
    make: DumpMaker
    package: str = ""
    weight: float = 1.0
    builds: tuple[float, float, float] = _ALL
    versions: tuple[float, float, float] = _ALL
    models: tuple[str, ...] = ()
    foreground: float = 0.8
    loops: bool = True
    """Whether a phone may hit it again and again within minutes."""

    @property
    def app(self) -> App | None:
        """The app that it is a bug of."""
        return APPS.get(self.package)


class _More(TypedDict, total=False):
    """What rows of the list may say beside the cause."""

    builds: tuple[float, float, float]
    versions: tuple[float, float, float]
    models: tuple[str, ...]
    foreground: float


def wtf(story: str, tag: str) -> DumpMaker:
    """A maker of `system_server_wtf` entries; their subject is the log tag."""

    def make(scene: Scene) -> Dump:
        entry = drop_box_entry(scene, trace_of(story, scene), subject=tag)
        return Dump(PayloadFormat.DROPBOX, entry.encode())

    return make


def strict_mode(story: str) -> DumpMaker:
    """A maker of `system_app_strictmode` entries."""

    def make(scene: Scene) -> Dump:
        entry = strict_mode_entry(scene, trace_of(story, scene))
        return Dump(PayloadFormat.DROPBOX, entry.encode())

    return make


def nothing(scene: Scene) -> Dump:
    """Kills and reboots leave no dump."""
    del scene
    return Dump(PayloadFormat.NONE, b"")


_CAMERA = "/vendor/bin/hw/android.hardware.camera.provider-service"
_AUDIO = "/system/bin/audioserver"
_RIL = "/vendor/bin/hw/rild"
_SENSORS = "/vendor/bin/hw/android.hardware.sensors-service"
_GNSS = "/vendor/bin/hw/android.hardware.gnss-service"
_UNISOC = ("Nokia C32", "Nokia G22", "Nokia G21", "HMD Pulse Pro", "HMD Crest Max")


def _java(
    key: str, package: str, story: str, *, thread: str = "main", **more: Unpack[_More]
) -> Bug:
    make = java_crash(story, thread=thread)
    return Bug(key, CrashKind.JAVA_CRASH, package, make, package=package, **more)


def _anr(key: str, package: str, story: anr.AnrStory) -> Bug:
    make = not_responding(story)
    return Bug(key, CrashKind.ANR, package, make, package=package, loops=False)


def _silent(
    key: str, kind: CrashKind, process: str, package: str = "", **more: Unpack[_More]
) -> Bug:
    more.setdefault("foreground", 0.1)
    return Bug(key, kind, process, nothing, package=package, loops=False, **more)


def make_bugs(programs: Mapping[tuple[str, int], Program]) -> list[Bug]:
    """All bugs with their weights; native ones only of programs that could be compiled."""
    ranked = [bug for bug in _ranked(dict(programs)) if bug is not None]
    return [
        replace(bug, weight=bug.weight / rank**EXPONENT) for rank, bug in enumerate(ranked, start=1)
    ]


def _ranked(programs: dict[tuple[str, int], Program]) -> list[Bug | None]:
    """The bugs in the order of their volume."""

    def crash(
        key: str, process: str, bug: native.NativeBug, package: str = "", **more: Unpack[_More]
    ) -> Bug | None:
        make = native.native_crash(bug, programs)
        if make is None:
            return None
        kind = CrashKind.NATIVE_CRASH
        return Bug(key, kind, process, make, package=package, **more)

    told, server = java_stories, "system_server"
    gallery, camera = "com.hmdglobal.app.gallery", "com.hmdglobal.app.camera"
    settings, ui, phone = "com.android.settings", "com.android.systemui", "com.android.phone"
    tilt, messenger = "com.pixelforge.tilt", "com.chatterbird.messenger"
    music, transit = "app.wavetune.player", "com.citymove.transit"
    delivery, reader = "com.nordbite.delivery", "org.feedlark.reader"
    mydevice, launcher = "com.hmdglobal.app.mydevice", "com.android.launcher3"
    kill, reboot = CrashKind.LOW_MEMORY_KILL, CrashKind.REBOOT
    return [
        _java("recycler-inconsistent", music, told.RECYCLER_INCONSISTENT),
        _java("camera-service", camera, told.CAMERA_SERVICE, thread="CameraHandler",
              builds=(0.5, 0.5, 2.4)),
        crash("recycled-frame", _CAMERA, native.RECYCLED_FRAME, builds=(0.0, 0.0, 2.6)),
        _java("sim-without-name", settings, told.SIM_WITHOUT_NAME),
        _silent("tilt-killed", kill, tilt, tilt),
        _anr("thumbnail-lock", gallery, anr.THUMBNAIL_LOCK),
        _java("obfuscated-parser", reader, told.OBFUSCATED_PARSER, thread="AsyncTask #2"),
        crash("tone-curve", _CAMERA, native.TONE_CURVE),
        _java("database-full", messenger, told.DATABASE_FULL, thread="sync-worker-1"),
        _java("lateinit-session", delivery, told.LATEINIT, thread="DefaultDispatcher-worker-3"),
        _anr("preferences-sync", messenger, anr.PREFERENCES_SYNC),
        crash("lost-contact", tilt, native.LOST_CONTACT, tilt, versions=(1.0, 1.0, 0.4)),
        _java("fragment-detached", mydevice, told.FRAGMENT_DETACHED),
        _java("thumbnail-oom", gallery, told.THUMBNAIL_OOM, thread="ThumbDecoder-1"),
        crash("past-the-samples", _AUDIO, native.PAST_THE_SAMPLES),
        Bug("wtf-drain", CrashKind.WTF, server, wtf(told.WTF_NEGATIVE_DRAIN, "DrainLedger"),
            package="android", foreground=0.0),
        _silent("messenger-killed", kill, messenger, messenger),
        crash("bad-code", gallery, native.BAD_CODE, gallery, builds=(1.2, 1.2, 0.0)),
        _java("foreground-service", music, told.FOREGROUND_SERVICE, foreground=0.1),
        _anr("storage-binder", settings, anr.STORAGE_BINDER),
        _java("binder-security", mydevice, told.BINDER_SECURITY),
        _java("json-promotion", delivery, told.JSON_PROMOTION, versions=(0.0, 2.0, 0.0)),
        crash("nested-record", _RIL, native.NESTED_RECORD, foreground=0.0),
        _java("tile-state", ui, told.TILE_STATE, thread="SysUiBg"),
        _java("album-list-empty", gallery, told.ACTIVITY_STATE),
        _anr("retry-sleep", delivery, anr.RETRY_SLEEP),
        crash("glyph-cache", ui, native.GLYPH_CACHE, ui),
        _java("camera-closed", camera, told.CAMERA_CLOSED),
        _silent("modem-reboot", reboot, "reboot,modem_err", models=_UNISOC),
        _java("bluetooth-state", "com.android.bluetooth", told.BLUETOOTH_STATE,
              thread="A2dpStateMachine", foreground=0.0),
        crash("satellite-weight", _GNSS, native.SATELLITE_WEIGHT, foreground=0.0),
        _java("map-cast", transit, told.MAP_CAST, versions=(0.0, 1.0, 1.0)),
        _java("database-locked", "com.android.providers.media.module", told.DATABASE_LOCKED,
              thread="MediaService", foreground=0.0),
        _anr("latch-on-main", phone, anr.LATCH_ON_MAIN),
        Bug("strict-disk-read", CrashKind.STRICT_MODE, mydevice,
            strict_mode(told.STRICT_DISK_READ), package=mydevice, loops=False),
        Bug("package-lock", CrashKind.WATCHDOG, server,
            not_responding(anr.PACKAGE_LOCK_WATCHDOG, as_entry=True), package="android",
            foreground=0.0, loops=False),
        crash("ring-overrun", _AUDIO, native.RING_OVERRUN, models=("HMD Skyline", "HMD Fusion")),
        _java("obfuscated-cursor", reader, told.OBFUSCATED_CURSOR),
        _java("recorder-start", "com.hmdglobal.app.recorder", told.RECORDER_START),
        Bug("wtf-job-timer", CrashKind.WTF, server, wtf(told.WTF_JOB_TIMER, "JobScheduler.Time"),
            package="android", foreground=0.0),
        crash("sensor-ring", _SENSORS, native.SENSOR_RING, models=_UNISOC, foreground=0.0),
        _java("route-recursion", transit, told.STACK_OVERFLOW,
              thread="DefaultDispatcher-worker-1"),
        _java("dialer-unbound", phone, told.DIALER_UNBOUND, foreground=0.2),
        _silent("thermal-reboot", reboot, "shutdown,thermal,battery"),
        crash("glyph-blit", launcher, native.GLYPH_BLIT, launcher),
        crash("stale-request", _RIL, native.STALE_REQUEST, foreground=0.0),
        _java("dead-system", ui, told.DEAD_SYSTEM),
        _java("launcher-widget", launcher, told.LAUNCHER_WIDGET, builds=(1.0, 0.0, 0.0)),
        _silent("gallery-killed", CrashKind.BACKGROUND_KILL, gallery, gallery),
    ]  # fmt: skip
