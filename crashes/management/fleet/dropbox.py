"""The wrappings that the system puts around a dump: DropBox headers and log lines.

Layout: AOSP `ActivityManagerService.addErrorToDropBox` and `RuntimeInit.java`.
"""

from uuid import UUID

from crashes.management.fleet.scene import Scene

_SYSTEM_FLAGS = "0x30c83e0d"
_APP_FLAGS = "0x20c8be44"


def drop_box_entry(scene: Scene, body: str, *, subject: str | None = None) -> str:
    """A DropBox entry of ActivityManager around `body`."""
    lines = [f"Process: {scene.process}", f"PID: {scene.pid}", f"UID: {scene.uid}"]
    if scene.app is not None:
        name, code = scene.version
        lines.append(f"Flags: {_SYSTEM_FLAGS if scene.app.is_system else _APP_FLAGS}")
        lines.append(f"Package: {scene.package} v{code} ({name})")
        lines.append(f"Foreground: {'Yes' if scene.foreground else 'No'}")
    lines.append(f"SystemUptimeMs: {scene.uptime_ms}")
    lines.append(f"Process-Runtime: {scene.random.randint(900, 4_000_000)}")
    if subject is not None:
        lines.append(f"Subject: {subject}")
        lines.append(f"ErrorId: {UUID(int=scene.random.getrandbits(128), version=4)}")
    lines.append(f"Build: {scene.fingerprint}")
    lines.append("Dropped-Count: 0")
    return "\n".join(lines) + "\n\n" + body


def strict_mode_entry(scene: Scene, body: str) -> str:
    """A `system_app_strictmode` entry around a violation's stack."""
    name, code = scene.version
    is_system = scene.app is not None and scene.app.is_system
    lines = (
        f"Process: {scene.process}",
        f"PID: {scene.pid}",
        f"UID: {scene.uid}",
        f"Flags: {_SYSTEM_FLAGS if is_system else _APP_FLAGS}",
        f"Package: {scene.package} v{code} ({name})",
        f"Build: {scene.fingerprint}",
        f"System-App: {str(is_system).lower()}",
        f"Uptime-Millis: {scene.uptime_ms}",
        "Loop-Violation-Number: 1",
        f"Duration-Millis: {scene.random.randint(2, 260)}",
    )
    return "\n".join(lines) + "\n\n" + body


def log_of_crash(scene: Scene, trace: str, *, thread: str) -> str:
    """The log lines of RuntimeInit about an uncaught exception, among those of others."""
    lines = [
        f"FATAL EXCEPTION: {thread}",
        f"Process: {scene.process}, PID: {scene.pid}",
        *trace.rstrip("\n").split("\n"),
    ]
    moment = f"{scene.local_at:%m-%d %H:%M:%S}.{scene.local_at.microsecond // 1000:03d}"
    tid = scene.pid if thread == "main" else scene.pid + scene.random.randint(11, 60)
    prefix = f"{moment} {scene.pid:5d} {tid:5d} E AndroidRuntime: "
    before = f"{moment}  1712  2240 I ActivityTaskManager: topComponent = {scene.process}/.Main\n"
    after = f"{moment}  1712  1790 W ActivityManager: Process {scene.process} has crashed\n"
    return before + "".join(f"{prefix}{line}\n" for line in lines) + after
