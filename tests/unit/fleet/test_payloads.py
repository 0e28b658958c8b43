"""Every dump of the fleet reads as the crash that it is meant to be."""

from collections import Counter
from dataclasses import replace

import pytest

from crashes.formats.errors import MalformedPayload
from crashes.formats.registry import parse_payload
from crashes.management.fleet.bugs import make_bugs
from crashes.stack import CrashKind, Frame, PayloadFormat

# The function that the innermost frame, or the first of the deepest cause, must show.
FUNCTIONS = {
    "recycler-inconsistent": "app.wavetune.player.queue.SmoothLayoutManager.onLayoutChildren",
    "camera-service": "com.hmdglobal.app.camera.session.SessionController.configure",
    "sim-without-name":
        "com.android.settings.network.MobileNetworkListFragment.bindSubscription",
    "thumbnail-lock": "com.hmdglobal.app.gallery.thumb.ThumbnailCache.get",
    "obfuscated-parser": "r5.d.<init>",
    "database-full": "com.chatterbird.messenger.store.MessageDao.insertAll",
    "lateinit-session": "com.nordbite.delivery.tracking.CourierTracker.onLocation",
    "preferences-sync": "com.chatterbird.messenger.push.UnreadCounter.store",
    "fragment-detached": "com.hmdglobal.app.mydevice.warranty.WarrantyFragment.showResult",
    "thumbnail-oom": "com.hmdglobal.app.gallery.thumb.ThumbnailLoader.decodeFull",
    "wtf-drain": "com.android.server.power.batterysaver.DrainLedger.reconcile",
    "foreground-service": "app.wavetune.player.playback.PlaybackStarter.resume",
    "storage-binder":
        "com.android.settings.deviceinfo.storage.StorageDashboardFragment.refreshCategories",
    "binder-security": "com.hmdglobal.app.mydevice.info.HardwareFacts.collect",
    "json-promotion": "com.nordbite.delivery.cart.Promotion.fromJson",
    "tile-state": "com.android.systemui.qs.tileimpl.QSTileImpl.handleRefreshState",
    "album-list-empty": "com.hmdglobal.app.gallery.album.AlbumPresenter.restore",
    "retry-sleep": "com.nordbite.delivery.net.RetryPolicy.await",
    "camera-closed": "com.hmdglobal.app.camera.capture.NightShot.burst",
    "bluetooth-state":
        "com.android.bluetooth.a2dp.A2dpStateMachine$Disconnecting.processMessage",
    "map-cast": "com.citymove.transit.map.StopLayer.onMarkerTapped",
    "database-locked": "com.android.providers.media.DatabaseHelper.runWithTransaction",
    "latch-on-main": "com.android.phone.ims.ImsRegistrationGate.awaitRegistered",
    "strict-disk-read": "com.hmdglobal.app.mydevice.support.ManualCache.has",
    "package-lock": "com.android.server.pm.PackageManagerService.monitor",
    "obfuscated-cursor": "u2.c.e",
    "recorder-start": "com.hmdglobal.app.recorder.engine.RecorderEngine.begin",
    "wtf-job-timer":
        "com.android.server.job.controllers.TimeController.checkExpiredDeadlines",
    "route-recursion": "com.citymove.transit.route.RouteGraph.visit",
    "dialer-unbound": "com.android.phone.ImsStateBridge.release",
    "dead-system": "android.hardware.display.DisplayManagerGlobal.getDisplayInfo",
    "launcher-widget": "com.android.launcher3.WidgetResize.commit",
    "bad-code": "hmd_thumb_decode",
    "ring-overrun": "hmd_mixer_thread",
    "tone-curve": "hmd_camera_pipeline_main",
    "recycled-frame": "hmd_camera_pipeline_main",
    "past-the-samples": "hmd_mixer_thread",
    "nested-record": "hmd_ril_on_message",
    "stale-request": "hmd_ril_dispatcher",
    "sensor-ring": "hmd_sensors_poll",
    "glyph-cache": "hmd_text_draw",
    "glyph-blit": "hmd_text_draw",
    "satellite-weight": "hmd_gnss_update",
    "lost-contact": "Java_com_pixelforge_tilt_Engine_nativeStep",
}  # fmt: skip


def functions_of(crash):
    frames = crash.threads[0].frames + sum((link.frames for link in crash.exceptions), ())
    return {frame.function for frame in frames}


def with_payload(reports):
    return [one for one in reports if one.dump.format is not PayloadFormat.NONE]


def test_every_bug_with_a_dump_has_its_function(bugs):
    silent = {CrashKind.LOW_MEMORY_KILL, CrashKind.BACKGROUND_KILL, CrashKind.REBOOT}

    assert {bug.key for bug in bugs if bug.kind not in silent} == set(FUNCTIONS)


def test_every_payload_reads_as_the_intended_crash(reports):
    for report in with_payload(reports):
        if report.is_damaged:
            continue
        crash = parse_payload(report.dump.format, report.dump.content)
        assert FUNCTIONS[report.bug_key] in functions_of(crash), report.bug_key
        assert crash.process in (None, report.document["process"])


def test_dumps_that_name_their_kind_name_the_right_one(reports):
    for report in with_payload(reports):
        if report.is_damaged or report.dump.format is PayloadFormat.JAVA_STACKTRACE:
            continue
        crash = parse_payload(report.dump.format, report.dump.content)
        assert crash.kind == report.document["kind"], report.bug_key


def test_every_damaged_payload_is_refused(reports):
    damaged = [report for report in reports if report.is_damaged]

    for report in damaged:
        with pytest.raises(MalformedPayload):
            parse_payload(report.dump.format, report.dump.content)
    assert damaged


def test_a_thread_dump_has_as_many_threads_as_it_says(reports):
    dumps = [
        parse_payload(one.dump.format, one.dump.content)
        for one in reports
        if one.document["kind"] == "anr" and not one.is_damaged
    ]

    for crash in dumps:
        assert len(crash.threads) in range(8, 21)
        assert crash.details["declared_threads"] == len(crash.threads)
        assert crash.threads[0].name == "main"
        assert crash.reason


def test_a_lock_is_held_by_the_thread_that_explains_it(reports):
    report = next(one for one in reports if one.bug_key == "thumbnail-lock" and not one.is_damaged)
    crash = parse_payload(report.dump.format, report.dump.content)
    main = crash.threads[0]

    assert main.blocked_on is not None
    assert main.blocked_on.held_by_tid == 2
    assert crash.threads[1].name == "ThumbDecoder-2"
    assert main.blocked_on.lock in crash.threads[1].held_locks


def test_one_bug_has_several_stacks(reports):
    stacks: dict[str, set[tuple[Frame, ...]]] = {}
    for report in with_payload(reports):
        if not report.is_damaged:
            crash = parse_payload(report.dump.format, report.dump.content)
            frames = tuple(replace(one, index=0) for one in crash.threads[0].frames)
            stacks.setdefault(report.bug_key, set()).add(frames)
    several = Counter(len(found) >= 2 for found in stacks.values())

    assert several[True] > 0.9 * len(stacks)


def test_rarer_bugs_weigh_less_than_frequent_ones(programs):
    weights = [bug.weight for bug in make_bugs(programs)]

    assert weights == sorted(weights, reverse=True)
