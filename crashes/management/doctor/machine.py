"""Configuration, disk, sandbox, tools, hosts: what needs no database."""

import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import cxxfilt
from django.conf import settings
from symbolic.debuginfo import Archive

from crashes.management.doctor import Finding, failed, ok, warning
from uxp_diag.residency import hosts_of, is_inside
from uxp_diag.sandbox import Protection, Sandbox, SandboxFailure

_PROBE = "uxp_diag.sandbox.probe"
_GIB = 1 << 30
_SLOW_SYNC_SECONDS = 0.2


def check_configuration() -> Iterator[Finding]:
    """Values that are read and should be others."""
    shape = "embedded" if settings.EMBEDDED else "production"
    wrong = list(_wrong_values())
    yield from wrong
    if not wrong:
        yield ok("configuration", f"{shape}, region {settings.REGION}, {settings.PUBLIC_URL}")


def _wrong_values() -> Iterator[Finding]:
    part = "configuration"
    address = urlsplit(settings.PUBLIC_URL)
    host = f"[{address.hostname}]" if ":" in (address.hostname or "") else address.hostname
    if not any(host == name or _is_below(host or "", name) for name in settings.ALLOWED_HOSTS):
        yield failed(
            part,
            f"UXP_ALLOWED_HOSTS does not hold {host}, the host of UXP_PUBLIC_URL",
            "Add it, or every request to that address is answered 400.",
        )
    is_far = host not in {"localhost", "127.0.0.1", "[::1]"}
    if address.scheme != "https" and is_far:
        yield warning(
            part,
            f"UXP_PUBLIC_URL is {settings.PUBLIC_URL}, without TLS",
            "Put a proxy in front that ends TLS, and set UXP_PUBLIC_URL=https://….",
        )
    if settings.EMBEDDED and settings.BIND not in {"127.0.0.1", "::1", "localhost"}:
        yield warning(
            part,
            f"the embedded platform listens on {settings.BIND}",
            "Unset UXP_BIND, or use the production shape (docs/operations.md).",
        )
    if not settings.EMBEDDED and not settings.REDIS_URL:
        yield failed(part, "REDIS_URL is not set", "Set it: workers hear of reports through it.")
    if not settings.EMBEDDED and not settings.ENROLLMENT_LIMIT:
        yield warning(
            part, "UXP_ENROLLMENT_LIMIT is off", "Unset it, or made-up phones can enroll at will."
        )


def _is_below(host: str, name: str) -> bool:
    return name.startswith(".") and (host.endswith(name) or host == name[1:])


def check_disk() -> Iterator[Finding]:
    """Whether uploads can be written and synced, and how much room there is."""
    part, folder = "disk", settings.DATA_DIR
    if not folder.is_dir():
        yield failed(part, f"{folder} is not there", "Run `make serve`, or set UXP_DATA_DIR.")
        return
    if stat.S_IMODE(folder.stat().st_mode) & stat.S_IWOTH:
        yield warning(part, f"everybody may write into {folder}", f"Run `chmod o-w {folder}`.")
    disk = shutil.disk_usage(folder)
    room = f"{disk.free / _GIB:.1f} GiB of {disk.total / _GIB:.1f} GiB free at {folder}"
    advice = "Free some, or move UXP_DATA_DIR: uploads are refused on a full disk."
    if disk.free < min(_GIB, disk.total / 20):
        yield failed(part, room, advice)
    elif disk.free < disk.total / 10:
        yield warning(part, room, advice)
    else:
        yield ok(part, room)
    yield from _check_spool()


def _check_spool() -> Iterator[Finding]:
    folder = settings.SPOOL_DIR
    try:
        folder.mkdir(parents=True, exist_ok=True)
        started = time.perf_counter()
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
        spent = time.perf_counter() - started
    except OSError as error:
        yield failed(
            "spool",
            f"{folder} cannot be written: {error.strerror}",
            "Give it to the user that the platform runs as, and free the disk.",
        )
        return
    seen = f"a write to {folder} is on disk after {spent * 1000:.1f} ms"
    if spent > _SLOW_SYNC_SECONDS:
        yield warning("spool", seen, "Each upload waits for that. Use a disk of this machine.")
    else:
        yield ok("spool", seen)


def check_sandbox() -> Iterator[Finding]:
    """Whether a confined child answers, and what it is confined by."""
    part = "sandbox"
    try:
        with Sandbox((_PROBE,), allowed=(_PROBE,)) as sandbox:
            answer = sandbox.run(f"{_PROBE}:measure", b"four")
            held = sandbox.protection()
    except SandboxFailure as failure:
        yield failed(part, f"no child answers ({failure})", "See docs/adr/0002; nothing is parsed.")
        return
    missing = [layer.value for layer in Protection if layer not in held]
    if answer != len(b"four"):
        yield failed(part, f"a child answered {answer!r}", "Install the locked dependencies anew.")
    elif missing:
        yield warning(
            part,
            f"a child answers, without {', '.join(missing)}",
            "Allow it in the kernel or the container (docs/adr/0002); the other layers hold.",
        )
    else:
        yield ok(part, f"a child answers, behind all {len(held)} layers")


def check_tools() -> Iterator[Finding]:
    """Whether names are read back, and whether debug files can be opened: this Python is one."""
    part, advice = "symbolication", "Install the locked dependencies anew (`make test` does)."
    if (name := cxxfilt.demangle("_ZN3foo3barEv")) != "foo::bar()":
        yield failed(part, f"cxxfilt reads {name!r}", advice)
        return
    arch = next(iter(Archive.open(sys.executable).iter_objects())).arch
    yield ok(part, f"names are read back, and a program for {arch} was opened")


def check_hosts() -> Iterator[Finding]:
    """Which hosts it may connect to; those it must not stop the start."""
    part = "residency"
    addresses = (
        settings.DATABASES["default"].get("HOST", ""),
        settings.REDIS_URL,
        *settings.DEBUGINFOD_URLS,
    )
    hosts = {host for address in addresses for host in hosts_of(address) if host[:1] != "/"}
    outer = sorted(host for host in hosts if not is_inside(host))
    wide = [name for name in settings.ALLOWED_OUTGOING_HOSTS if name.startswith("*.")]
    if wide:
        yield warning(
            part,
            f"UXP_ALLOWED_OUTGOING_HOSTS allows all of {', '.join(wide)}",
            "Name the hosts, so that none in another region is among them.",
        )
    elif outer:
        yield ok(part, f"outside this network it connects to {', '.join(outer)}, which are allowed")
    else:
        yield ok(part, f"region {settings.REGION}; it connects to nobody outside this network")
