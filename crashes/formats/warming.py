"""What a payload meets first, met once before any payload: for the process that children are forks of.

Expressions of RE2 and the Screen of scrubbing make their automata while they read, state by state.
A child that starts without them makes them anew for a few dozen reports, which costs it more than
the reports do. So the server of the sandbox reads these lines, written here and of no phone, and its
children inherit what came of it.
"""

from crashes.formats.jobs import read_job
from crashes.formats.tombstone_writer import write_proto, write_text
from crashes.stack import Crash, CrashKind, Frame, Module, PayloadFormat, Thread

_LOG = """\
11-20 14:32:07.123  1423  1467 I ActivityManager: Start proc 9821:com.example.notes/u0a187 for activity {com.example.notes/com.example.notes.MainActivity}
11-20 14:32:07.480  1423  2210 D WifiStateMachine: fetchRssiLinkSpeedAndFrequencyNative rssi=-61 linkspeed=144 freq=5180, score: 60
11-20 14:32:08.002   812   854 W AudioFlinger: write blocked for 178 msecs, 3 delayed writes, thread 0xb4000073a5c1e2f0
11-20 14:32:08.731  9821  9821 E AndroidRuntime: FATAL EXCEPTION: main
11-20 14:32:08.731  9821  9821 E AndroidRuntime: Process: com.example.notes, PID: 9821
11-20 14:32:08.731  9821  9821 E AndroidRuntime: java.lang.IllegalStateException: Cannot call this while list "notes" is computing a layout (size: 17, index: 3)
11-20 14:32:08.731  9821  9821 E AndroidRuntime: \tat com.example.notes.NoteList$Adapter.onBindViewHolder(NoteList.java:214)
11-20 14:32:08.731  9821  9821 E AndroidRuntime: \tat android.os.Handler.dispatchMessage(Handler.java:106)
11-20 14:32:08.731  9821  9821 E AndroidRuntime: \tat java.lang.reflect.Method.invoke(Native Method)
11-20 14:32:08.731  9821  9821 E AndroidRuntime: Caused by: java.io.IOException: open failed: ENOENT (No such file or directory) mode=0600 /system/etc/hosts.d
11-20 14:32:09.010   655   702 I SurfaceFlinger: Layer 7f3a2c9d10 missed vsync by 12 us (3.25%), pending transactions 2, uid=1000(system) 25:1
11-20 14:32:09.133  2041  2041 V BluetoothAdapter: getState(): ON. Returning ON, isLeEnabled: true; callback=@5c1a9f2 clients=3
11-20 14:32:09.512   455   601 D libc    : Access denied finding property "vendor.debug.sf.42" ro.build.version=14, token [request]; state -> 2
11-20 14:32:10.044   388   388 I wpa_supplicant: wlan0: CTRL-EVENT-SIGNAL-CHANGE above=1 signal=-57 noise=-95 txrate=866700
11-20 14:32:10.600  1423  1580 W JobScheduler: Job #u0a187/12 {1f09 call from android.permission.DUMP} ran past 600000 ms; elapsed +10m0s7ms
11-20 14:32:11.271  1423  1467 I am_proc_start: [0,9933,10187,com.example.mail:sync,content-provider,{com.example.mail/.SyncProvider}] https://example.com/a/b.html?page=2&sort=asc
"""

_ENTRY = """\
Process: com.example.notes
PID: 9821
Flags: 0x28e8be44
Package: com.example.notes v241 (2.4.1)
Foreground: Yes
Build: example/oriole/oriole:14/UP1A.231005.007/10754064:user/release-keys

java.lang.NullPointerException: Attempt to invoke virtual method 'int java.util.List.size()' on a null object reference
\tat com.example.notes.Store.count(Store.kt:88)
\tat com.example.notes.-$$Lambda$Store$x1.run(Unknown Source:4)
\tat android.app.ActivityThread.main(ActivityThread.java:8177)

"""

_TRACES = """\
----- pid 9821 at 2026-11-20 14:32:12.118 -----
Cmd line: com.example.notes
ABI: 'arm64'

"main" prio=5 tid=1 Blocked
  | group="main" sCount=1 ucsCount=0 flags=1 obj=0x72a3d5c0 self=0xb400007a2f9be000
  | sysTid=9821 nice=-10 cgrp=default sched=0/0 handle=0x7b19c9f4f8
  | state=S schedstat=( 512345678 12345678 901 ) utm=44 stm=7 core=3 HZ=100
  at com.example.notes.Store.load(Store.kt:41)
  - waiting to lock <0x0a1b2c3d> (a java.lang.Object) held by thread 17
  native: #00 pc 000000000008a1c4  /apex/com.android.runtime/lib64/bionic/libc.so (__epoll_pwait+8)

----- end 9821 -----
"""


def warm_up() -> None:
    """Read one payload of each of the common kinds."""
    crash = _crash()
    samples = (
        (PayloadFormat.DROPBOX, (_ENTRY + _LOG * 4).encode()),
        (PayloadFormat.LOGCAT, _LOG.encode()),
        (PayloadFormat.ANR_TRACES, _TRACES.encode()),
        (PayloadFormat.TOMBSTONE_TEXT, write_text(crash).encode()),
        (PayloadFormat.TOMBSTONE_PROTO, write_proto(crash)),
    )
    for payload_format, payload in samples:
        read_job(payload_format.value, payload)


def _crash() -> Crash:
    libraries = [f"/system/lib64/lib{name}.so" for name in ("c", "art", "hwui", "binder", "utils")]
    build_ids = [f"{7 * place + 1:032x}" for place in range(len(libraries))]
    threads = tuple(
        Thread(
            name=f"Binder:9821_{number}",
            tid=9821 + number,
            crashing=number == 0,
            frames=tuple(
                Frame(
                    index=index,
                    address=0x5A1C4 + 0x9E37 * (index + 13 * number),
                    module=libraries[index % 5],
                    build_id=build_ids[index % 5],
                    function="android::Parcel::readStrongBinder" if index % 2 else None,
                    function_offset=24 if index % 2 else None,
                )
                for index in range(12)
            ),
            registers={f"x{n}": 0xB400007A2F9BE000 + 0x9E3779B1 * n for n in range(29)},
        )
        for number in range(8)
    )
    modules = tuple(
        Module(path=path, build_id=build_id, start_addr=base, end_addr=base + 0x10000)
        for path, build_id, base in zip(
            libraries, build_ids, range(0x7B10000000, 0x7B20000000, 0x1000000), strict=False
        )
    )
    return Crash(
        kind=CrashKind.NATIVE_CRASH,
        process="com.example.notes",
        pid=9821,
        tid=9821,
        abi="arm64",
        build_fingerprint="example/oriole/oriole:14/UP1A.231005.007/10754064:user/release-keys",
        timestamp="2026-11-20 14:32:13.204518772+0100",
        signal="SIGSEGV",
        signal_number=11,
        signal_code="SEGV_MAPERR",
        fault_addr=0x10,
        threads=threads,
        modules=modules,
    )
