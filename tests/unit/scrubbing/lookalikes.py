"""Harmless texts that look like what the rules take out: they must come back as they were."""

import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.unit.scrubbing.values import (
    hexadecimal,
    token,
)


@dataclass(frozen=True, slots=True)
class Harmless:
    """A text that looks like something and is nothing."""

    kind: str
    text: bytes


def _negative_makers(rng: random.Random) -> dict[str, Callable[[], str]]:
    number = rng.randrange

    def package() -> str:
        maker, app = (
            rng.choice(["example", "vendor", "acme"]),
            rng.choice(["app", "camera", "mail"]),
        )
        return f"com.{maker}.{app}"

    return {
        "frame": lambda: f"    #{number(40):02d} pc {hexadecimal(rng, 16)}  /system/lib64/libfoo.so (ns::run(int)+{number(1, 9_999_999)}) (BuildId: {hexadecimal(rng, 40)})",
        "frame-apk": lambda: f"      #01 pc {hexadecimal(rng, 16)}  /data/app/~~{token(rng)[:22]}==/{package()}-{token(rng)[:22]}==/base.apk!libx.so (offset 0x{hexadecimal(rng, 6)})",
        "registers": lambda: f"    x0  {hexadecimal(rng, 16)}  x1  {hexadecimal(rng, 16)}  x2  {hexadecimal(rng, 16)}  x3  {hexadecimal(rng, 16)}",
        "fault": lambda: f"signal 11 (SIGSEGV), code 1 (SEGV_MAPERR), fault addr 0x{hexadecimal(rng, 16)}",
        "java-frame": lambda: f"\tat {package()}.Main$Inner.run(Main.java:{number(1, 5000)})",
        "object": lambda: f"android.view.ViewRootImpl$W@{hexadecimal(rng, 7)} is not valid; token android.os.BinderProxy@{hexadecimal(rng, 7)}",
        "hidl": lambda: f"/vendor/bin/hw/android.hardware.wifi@{number(1, 4)}.{number(6)}-service.rc, vendor.acme.radio@1.{number(6)}::IRadio",
        "dalvik": lambda: f"/data/dalvik-cache/arm64/system@app@Mail@Mail.apk@classes.dex pid {number(99999)}",
        "logcat": lambda: f"11-{number(1, 29):02d} {number(24):02d}:{number(60):02d}:{number(60):02d}.{number(1000):03d}  {number(99999)}  {number(99999)} I ActivityManager: Start proc {number(99999)}:{package()}/u0a{number(400)} for service",
        "nanos": lambda: f"elapsedRealtimeNanos={number(10**14, 9 * 10**14)} frame={number(10**5)}",
        "nanos-vsync": lambda: f"Choreographer: vsync timestamp {number(10**14, 9 * 10**14)} ns, intended {number(10**14, 9 * 10**14)}ns",
        "micros": lambda: f"ts=17{number(10**14):014d} dur={number(10**6)}",
        "millis": lambda: f'"timestamp":17{number(10**11):011d},"uptime_ms":{number(10**9)}',
        "epoch-ns": lambda: f"at 17{number(10**17):017d} ns",
        "sizes": lambda: f"Total: {number(10**11)} bytes, free {number(10**8)} kB, alloc {number(10**9)} ({number(100)}%)",
        "build-id": lambda: f"BuildId: {hexadecimal(rng, rng.choice([32, 40]))}",
        "sha": lambda: f"sha256 {hexadecimal(rng, 64)} sha1 {hexadecimal(rng, 40)} md5 {hexadecimal(rng, 32)}",
        "cert": lambda: "SHA1 fingerprint: " + ":".join(hexadecimal(rng, 2).upper() for _ in range(20)),
        "uuid": lambda: f"report {uuid.UUID(int=rng.getrandbits(128))} boot {uuid.UUID(int=rng.getrandbits(128))}",
        "version": lambda: f"versionName={number(30)}.{number(40)}.{number(10)}.{number(250)} versionCode={number(10**9)}",
        "version-v": lambda: f"{package()} v{number(9)}.{number(9)}.{number(9)}.{number(99)} (SDK {number(21, 36)})",
        "user-agent": lambda: f"Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/{number(90, 140)}.0.{number(256)}.{number(200)} Mobile",
        "library": lambda: f"libcore-{number(9)}.{number(9)}.{number(9)}.{number(9)}.jar loaded, fw version {number(9)}.{number(9)}.{number(9)}.{number(99)}",
        "oid": lambda: f"OID 1.3.6.1.4.1.{number(50000)}.{number(99)}.{number(9)} and 2.5.29.{number(40)}",
        "fingerprint": lambda: f"acme/G42_00WW/G42:14/UKQ1.{number(230000, 240000)}.001/00WW_3_{number(100, 999)}:user/release-keys",
        "floats": lambda: f"matrix=[{rng.random():.6f}, {rng.random():.6f}, {rng.random():.6f}] scale {rng.random():.7f}",
        "touch": lambda: f"MotionEvent {{ x[0]={rng.uniform(0, 1080):.4f}, y[0]={rng.uniform(0, 2400):.4f}, toolType[0]=FINGER }}",
        "sensor": lambda: f"accel x={rng.uniform(-9, 9):.6f} y={rng.uniform(-9, 9):.6f} z={rng.uniform(-9, 9):.6f}",
        "battery": lambda: f"9,0,l,bt,0,{number(10**8)},{number(10**8)},{number(10**8)},{number(10**8)},17{number(10**11):011d},{number(10**7)}",
        "history": lambda: f"  +{number(9)}h{number(60)}m{number(60)}s{number(1000)}ms ({number(9)}) {number(100)} +wake_lock=u0a{number(300)}:\"*alarm*\" volt={number(3000, 4400)} temp={number(200, 450)}",
        "maps": lambda: f"{hexadecimal(rng, 10)}-{hexadecimal(rng, 10)} r-xp {hexadecimal(rng, 8)} fd:00 {number(10**6)} /apex/com.android.runtime/lib64/bionic/libc.so",
        "time": lambda: f"{number(24):02d}:{number(60):02d}:{number(60):02d} up 3 days, load average: {rng.random():.2f}, {rng.random():.2f}",
        "iso": lambda: f"2026-{number(1, 13):02d}-{number(1, 29):02d}T{number(24):02d}:{number(60):02d}:{number(60):02d}.{number(10**6):06d}+02:00",
        "cpp": lambda: f"art::Thread::Run(void*) std::__1::basic_string<char>::{rng.choice(['append', 'dead', 'fade'])}(unsigned long)",
        "kernel": lambda: f"[{number(10**5)}.{number(10**6):06d}] c{number(8)} {number(9999)} Unable to handle kernel paging request at virtual address {hexadecimal(rng, 16)}",
        "pid": lambda: f"pid: {number(99999)}, tid: {number(99999)}, name: RenderThread  >>> {package()} <<<",
        "dex": lambda: f"/data/user/0/{package()}/code_cache/secondary-dexes/base-{number(9)}.apk.classes{number(9)}.dex",
        "library-path": lambda: f"/data/user/0/{package()}/lib/libnative.so: dlopen failed: cannot locate symbol \"_ZN3foo3barEv\"",
        "ids": lambda: f"job {number(10**18):018d} handle {number(10**17):017d} seq {number(10**6)}",
        "windows": lambda: f"Window{{{hexadecimal(rng, 7)} u0 {package()}/{package()}.MainActivity}} token=Token{{{hexadecimal(rng, 7)} ActivityRecord{{{hexadecimal(rng, 7)} u0 t{number(999)}}}}}",
        "binder": lambda: f"binder: {number(9999)}:{number(9999)} transaction failed {number(10**5)}/-{number(100)}, size {number(10**4)}-{number(99)} line {number(4000)}",
        "resource": lambda: f"Resource ID #0x7f{hexadecimal(rng, 6)} type #0x{number(30)} is not valid at 0x{hexadecimal(rng, 8)}",
        "url": lambda: f"https://api.example.com/v{number(9)}/items?page={number(99)}&size={number(500)}&sort=name",
        "loopback": lambda: f"bind 127.0.0.1:{number(65536)} and [::1]:{number(65536)} and 0.0.0.0 mask 255.255.255.0 mac 00:00:00:00:00:00",
        "words": lambda: f"the token is not valid; key={rng.choice(['value', 'null', '12'])}; ssid is null; no imei; name: main prio=5 tid={number(99)} Native",
        "wifi-none": lambda: "SSID: <unknown ssid>, BSSID: 02:00:00:00:00:00, Supplicant state: DISCONNECTED",
        "gradle": lambda: f"com.squareup.okhttp3:okhttp:{number(5)}.{number(13)}.{number(9)} node_modules/react@{number(18)}.{number(9)}.2/index.js",
        "signed": lambda: f"delta=+{number(10**6)} offset=-{number(10**6)} drift +{number(10**5)} us",
    }  # fmt: skip


def negatives(seed: int = 2, *, count: int = 5200) -> Iterator[Harmless]:
    """Look-alikes of every kind, in turn."""
    rng = random.Random(seed)
    makers = list(_negative_makers(rng).items())
    for at in range(count):
        kind, make = makers[at % len(makers)]
        yield Harmless(kind, make().encode())
