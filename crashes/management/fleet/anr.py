"""Thread dumps of processes that did not respond, as ART writes them.

A story names the sentence of the system, the main thread's state and frames, and the threads that
explain it; waiting threads that every process has are added around them. In the grammar of
`crashes_java`, a line that starts with `-` is a lock line, and `native: NAME` stands for the
native frames of a wait.
"""

from dataclasses import dataclass
from random import Random

from crashes.management.fleet.crashes_java import filled, managed_lines
from crashes.management.fleet.dropbox import drop_box_entry
from crashes.management.fleet.scene import Dump, DumpMaker, Scene
from crashes.management.fleet.system_image import system_frames
from crashes.stack import Frame, PayloadFormat

_ENTRY_PART = 0.3
_FEWEST, _MOST = 7, 15

_NATIVE_WAITS = {
    "futex": ("syscall", "art::ConditionVariable::WaitHoldingLocks(art::Thread*)"),
    "binder": ("__ioctl", "ioctl", "android::IPCThreadState::talkWithDriver(bool)"),
    "poll": ("__epoll_pwait", "android::Looper::pollInner(int)",
             "android::Looper::pollOnce(int, int*, int*, void**)"),
    "pool": ("__ioctl", "ioctl", "android::IPCThreadState::talkWithDriver(bool)",
             "android::IPCThreadState::getAndExecuteCommand()",
             "android::IPCThreadState::joinThreadPool(bool)",
             "android::PoolThread::threadLoop()", "android::Thread::_threadLoop(void*)",
             "__pthread_start(void*)", "__start_thread"),
    "signal": ("syscall", "art::SignalCatcher::WaitForSignal(art::Thread*, art::SignalSet&)",
               "art::SignalCatcher::Run(void*)", "__pthread_start(void*)", "__start_thread"),
    "disk": ("syscall",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stack:
    """One thread of a story."""

    name: str
    state: str
    frames: str
    daemon: bool = False


@dataclass(frozen=True, slots=True)
class AnrStory:
    """One cause: the system's sentence, the main thread, and who else has a part in it."""

    subject: str
    main: Stack
    others: tuple[Stack, ...] = ()


_IDLE_LOOP = """
  native: poll
  android.os.MessageQueue.nativePollOnce(Native Method)
  android.os.MessageQueue.next(MessageQueue.java:335)
  android.os.Looper.loopOnce(Looper.java:161)
  android.os.Looper.loop(Looper.java:288)
  android.os.HandlerThread.run(HandlerThread.java:67)
"""
_IDLE_POOL = """
  jdk.internal.misc.Unsafe.park(Native Method)
  - waiting on an unknown object
  java.util.concurrent.locks.LockSupport.park(LockSupport.java:194)
  java.util.concurrent.locks.AbstractQueuedSynchronizer$ConditionObject.await(AbstractQueuedSynchronizer.java:2081)
  java.util.concurrent.LinkedBlockingQueue.take(LinkedBlockingQueue.java:433)
  java.util.concurrent.ThreadPoolExecutor.getTask(ThreadPoolExecutor.java:1063)
  java.util.concurrent.ThreadPoolExecutor.runWorker(ThreadPoolExecutor.java:1123)
  java.util.concurrent.ThreadPoolExecutor$Worker.run(ThreadPoolExecutor.java:637)
  java.lang.Thread.run(Thread.java:1012)
"""
_NATIVE_POOL = """
  native: pool
  (no managed stack frames)
"""

_BACKGROUND = (
    Stack("Signal Catcher", "Runnable", "\n  native: signal\n  (no managed stack frames)\n", daemon=True),
    Stack("HeapTaskDaemon", "WaitingForTaskProcessor", """
  native: futex
  dalvik.system.VMRuntime.runHeapTasks(Native Method)
  java.lang.Daemons$HeapTaskDaemon.runInternal(Daemons.java:609)
  java.lang.Daemons$Daemon.run(Daemons.java:140)
  java.lang.Thread.run(Thread.java:1012)
""", daemon=True),
    Stack("ReferenceQueueDaemon", "Waiting", """
  java.lang.Object.wait(Native Method)
  - waiting on <0x0@H@> (a java.lang.Class<java.lang.ref.ReferenceQueue>)
  java.lang.Object.wait(Object.java:442)
  java.lang.Daemons$ReferenceQueueDaemon.runInternal(Daemons.java:232)
  java.lang.Daemons$Daemon.run(Daemons.java:140)
  java.lang.Thread.run(Thread.java:1012)
""", daemon=True),
    Stack("FinalizerDaemon", "Waiting", """
  java.lang.Object.wait(Native Method)
  - waiting on <0x0@H@> (a java.lang.Object)
  java.lang.Object.wait(Object.java:386)
  java.lang.ref.ReferenceQueue.remove(ReferenceQueue.java:210)
  java.lang.Daemons$FinalizerDaemon.runInternal(Daemons.java:309)
  java.lang.Daemons$Daemon.run(Daemons.java:140)
  java.lang.Thread.run(Thread.java:1012)
""", daemon=True),
    Stack("binder:@PID@_1", "Native", _NATIVE_POOL),
    Stack("binder:@PID@_2", "Native", _NATIVE_POOL),
    Stack("binder:@PID@_3", "Native", _NATIVE_POOL),
    Stack("Profile Saver", "Native", "\n  native: futex\n  (no managed stack frames)\n", daemon=True),
    Stack("RenderThread", "Native", "\n  native: poll\n  (no managed stack frames)\n", daemon=True),
    Stack("queued-work-looper", "Native", _IDLE_LOOP),
    Stack("pool-2-thread-1", "Waiting", _IDLE_POOL),
    Stack("pool-2-thread-2", "Waiting", _IDLE_POOL),
    Stack("GoogleApiHandler", "Native", _IDLE_LOOP),
    Stack("arch_disk_io_0", "Waiting", _IDLE_POOL),
    Stack("DefaultDispatcher-worker-1", "TimedWaiting", """
  jdk.internal.misc.Unsafe.park(Native Method)
  - waiting on an unknown object
  java.util.concurrent.locks.LockSupport.parkNanos(LockSupport.java:376)
  kotlinx.coroutines.scheduling.CoroutineScheduler$Worker.park(CoroutineScheduler.kt:847)
  kotlinx.coroutines.scheduling.CoroutineScheduler$Worker.tryPark(CoroutineScheduler.kt:792)
  kotlinx.coroutines.scheduling.CoroutineScheduler$Worker.runWorker(CoroutineScheduler.kt:740)
  kotlinx.coroutines.scheduling.CoroutineScheduler$Worker.run(CoroutineScheduler.kt:702)
""", daemon=True),
)  # fmt: skip


def not_responding(story: AnrStory, *, as_entry: bool = False) -> DumpMaker:
    """A maker of thread dumps of one cause; with `as_entry` always as a DropBox entry."""

    def make(scene: Scene) -> Dump:
        subject = filled(story.subject, scene.random)
        if as_entry or scene.random.random() < _ENTRY_PART:
            body = f"{_cpu_usage(scene)}\n{_dump(story, scene)}"
            entry = drop_box_entry(scene, body, subject=subject)
            return Dump(PayloadFormat.DROPBOX, entry.encode())
        text = f"Subject: {subject}\n{_memory(scene.random)}\n{_dump(story, scene)}"
        return Dump(PayloadFormat.ANR_TRACES, text.encode())

    return make


def _memory(random: Random) -> str:
    anon = random.randint(40_000, 260_000)
    file = random.randint(60_000, 180_000)
    return (
        f"RssHwmKb: {anon + file + 20_000}\nRssKb: {anon + file}\nRssAnonKb: {anon}\n"
        f"RssShmemKb: 1280\nVmSwapKb: {random.randint(0, 60_000)}\n"
    )


def _cpu_usage(scene: Scene) -> str:
    random = scene.random
    load = " / ".join(f"{random.uniform(0.5, 14):.2f}" for _ in range(3))
    return (
        f"Load: {load}\n"
        f"CPU usage from {random.randint(8000, 60000)}ms to 0ms ago with 99% awake:\n"
        f"  {random.randint(20, 96)}% {scene.pid}/{scene.process}: 61% user + 12% kernel\n"
        f"  {random.randint(2, 19)}% 1712/system_server: 8% user + 4% kernel / faults: 3412 minor\n"
        f"  {random.randint(1, 9)}% 612/surfaceflinger: 2% user + 1% kernel\n"
    )


def _dump(story: AnrStory, scene: Scene) -> str:
    """The dump of the process: header, threads, end."""
    threads = _threads(story, scene.random)
    moment = f"{scene.local_at:%Y-%m-%d %H:%M:%S}.{scene.local_at.microsecond:06d}121"
    head = (
        f"\n----- pid {scene.pid} at {moment}{scene.local_at:%z} -----\n"
        f"Cmd line: {scene.process}\n"
        f"Build fingerprint: '{scene.fingerprint}'\n"
        "ABI: 'arm64'\nBuild type: optimized\n"
        f"Zygote loaded classes=21{scene.random.randint(100, 999)} post zygote classes="
        f"{scene.random.randint(900, 9000)}\n"
        f"Heap: {scene.random.randint(4, 60)}% free, 38MB/64MB; 512204 objects\n"
        f"Total number of allocations {scene.random.randint(100_000, 9_000_000)}\n"
        f"suspend all histogram:\tSum: 9.120ms 99% C.I. 2us-1152us Avg: 43.221us Max: 1170us\n"
        f"DALVIK THREADS ({len(threads)}):\n"
    )
    text = "\n".join(_thread(stack, number, scene) for number, stack in enumerate(threads, start=1))
    body = filled(text.replace("@PID@", str(scene.pid)), scene.random)
    return f"{head}{body}\n----- end {scene.pid} -----\n"


def _threads(story: AnrStory, random: Random) -> list[Stack]:
    """The main thread, those of the story (so that `thread N` means the Nth), the usual ones."""
    count = random.randint(_FEWEST, min(_MOST, len(_BACKGROUND)))
    return [story.main, *story.others, *_BACKGROUND[:count]]


def _thread(stack: Stack, number: int, scene: Scene) -> str:
    random = scene.random
    handle = 0x7A00000000 + number * 0x1400000
    system_tid = scene.pid + (0 if stack.name == "main" else 4 + number)
    daemon = " daemon" if stack.daemon else ""
    nice = -10 if stack.name == "main" else 0
    head = (
        f'"{stack.name}"{daemon} prio=5 tid={number} {stack.state}\n'
        f'  | group="main" sCount=1 ucsCount=0 flags=1 obj=0x{random.getrandbits(32):08x} '
        f"self=0xb400007{random.getrandbits(36):09x}\n"
        f"  | sysTid={system_tid} nice={nice} cgrp=top-app sched=0/0 handle=0x{handle:x}\n"
        f"  | state=S schedstat=( {random.getrandbits(33)} {random.getrandbits(34)} "
        f"{random.randint(20, 9000)} ) utm={random.randint(0, 900)} stm={random.randint(0, 200)} "
        f"core={random.randint(0, 7)} HZ=100\n"
        f"  | stack=0x{handle - 0x100000:x}-0x{handle:x} stackSize=1039KB\n"
        "  | held mutexes=\n"
    )
    return head + _body(stack.frames, scene)


def _body(story: str, scene: Scene) -> str:
    lines: list[str] = []
    for line in managed_lines(story, scene.build.release, scene.version_index, scene.shape):
        if line.startswith("native: "):
            names = _NATIVE_WAITS[line.removeprefix("native: ")]
            lines.extend(map(_native_line, system_frames(names, scene.build.release)))
        else:
            lines.append(f"  {line}" if line.startswith(("-", "(")) else f"  at {line}")
    return "\n".join(lines) + "\n"


def _native_line(frame: Frame) -> str:
    return (
        f"  native: #{frame.index:02d} pc {frame.address:016x}  {frame.module} "
        f"({frame.function}+{frame.function_offset}) (BuildId: {frame.build_id})"
    )


# The stories ----------------------------------------------------------------------------------

_INPUT = "Input dispatching timed out ({} is not responding. Waited 50@N@ms for MotionEvent)"

THUMBNAIL_LOCK = AnrStory(
    _INPUT.format("7a1@H@ com.hmdglobal.app.gallery/com.hmdglobal.app.gallery.AlbumActivity"),
    Stack("main", "Blocked", """
  com.hmdglobal.app.gallery.thumb.ThumbnailCache.get(ThumbnailCache.kt:74)
  - waiting to lock <0x0d3a2f0a> (a com.hmdglobal.app.gallery.thumb.ThumbnailCache) held by thread 2
  com.hmdglobal.app.gallery.album.AlbumAdapter.onBindViewHolder(AlbumAdapter.kt:112)
  com.hmdglobal.app.gallery.album.AlbumAdapter.onBindViewHolder(AlbumAdapter.kt:29)
  androidx.recyclerview.widget.RecyclerView$Adapter.bindViewHolder(RecyclerView.java:7847)
  androidx.recyclerview.widget.GapWorker.prefetchPositionWithDeadline(GapWorker.java:288)
  androidx.recyclerview.widget.GapWorker.run(GapWorker.java:394)
  <handler>
"""),
    (Stack("ThumbDecoder-2", "Native", """
  native: disk
  java.io.FileDescriptor.sync(Native Method)
  com.hmdglobal.app.gallery.thumb.DiskLruStore.commit(DiskLruStore.kt:151)
  com.hmdglobal.app.gallery.thumb.ThumbnailCache.put(ThumbnailCache.kt:98)
  - locked <0x0d3a2f0a> (a com.hmdglobal.app.gallery.thumb.ThumbnailCache)
  com.hmdglobal.app.gallery.thumb.ThumbnailLoader.run(ThumbnailLoader.kt:140)
  <pool>
"""),))  # fmt: skip

STORAGE_BINDER = AnrStory(
    _INPUT.format("2f0@H@ com.android.settings/com.android.settings.Settings$StorageDashboard"),
    Stack("main", "Native", """
  native: binder
  android.os.BinderProxy.transactNative(Native Method)
  android.os.BinderProxy.transact(BinderProxy.java:586)
  android.app.usage.IStorageStatsManager$Stub$Proxy.queryStatsForPackage(IStorageStatsManager.java:416)
  android.app.usage.StorageStatsManager.queryStatsForPackage(StorageStatsManager.java:280)
  com.android.settings.deviceinfo.storage.AppSizeLoader.sizeOf(AppSizeLoader.java:86) ?
  com.android.settings.deviceinfo.storage.StorageDashboardFragment.refreshCategories(StorageDashboardFragment.java:233)
  com.android.settings.deviceinfo.storage.StorageDashboardFragment.onResume(StorageDashboardFragment.java:174)
  <resume>
"""))  # fmt: skip

RETRY_SLEEP = AnrStory(
    "Broadcast of Intent { act=android.net.conn.CONNECTIVITY_CHANGE flg=0x4200010 "
    "cmp=com.nordbite.delivery/.net.ConnectivityReceiver (has extras) }",
    Stack("main", "Sleeping", """
  java.lang.Thread.sleep(Native Method)
  - sleeping on <0x0@H@> (a java.lang.Object)
  java.lang.Thread.sleep(Thread.java:450)
  com.nordbite.delivery.net.RetryPolicy.await(RetryPolicy.kt:29)
  com.nordbite.delivery.net.OrderApi.statusBlocking(OrderApi.kt:118)
  com.nordbite.delivery.net.ConnectivityReceiver.onReceive(ConnectivityReceiver.kt:44)
  <receiver>
"""))  # fmt: skip

PREFERENCES_SYNC = AnrStory(
    "executing service com.chatterbird.messenger/.push.PushService",
    Stack("main", "Native", """
  native: disk
  java.io.FileDescriptor.sync(Native Method)
  android.os.FileUtils.sync(FileUtils.java:256)
  android.app.SharedPreferencesImpl.writeToFile(SharedPreferencesImpl.java:807)
  android.app.SharedPreferencesImpl.commit(SharedPreferencesImpl.java:602)
  com.chatterbird.messenger.push.UnreadCounter.store(UnreadCounter.java:66)
  com.chatterbird.messenger.push.PushService.onStartCommand(PushService.java:131)
  <service>
"""))  # fmt: skip

LATCH_ON_MAIN = AnrStory(
    _INPUT.format("91c@H@ com.android.phone/com.android.phone.EmergencyDialer"),
    Stack("main", "Waiting", """
  jdk.internal.misc.Unsafe.park(Native Method)
  - waiting on an unknown object
  java.util.concurrent.locks.LockSupport.park(LockSupport.java:211)
  java.util.concurrent.locks.AbstractQueuedSynchronizer.acquire(AbstractQueuedSynchronizer.java:715)
  java.util.concurrent.CountDownLatch.await(CountDownLatch.java:230)
  com.android.phone.ims.ImsRegistrationGate.awaitRegistered(ImsRegistrationGate.java:71)
  com.android.phone.EmergencyDialer.placeCall(EmergencyDialer.java:488) ?
  com.android.phone.EmergencyDialer.onClick(EmergencyDialer.java:402)
  <click>
"""))  # fmt: skip

PACKAGE_LOCK_WATCHDOG = AnrStory(
    "Blocked in monitor com.android.server.pm.PackageManagerService on foreground thread "
    "(android.fg) for 33s",
    Stack("android.fg", "Blocked", """
  com.android.server.pm.PackageManagerService.monitor(PackageManagerService.java:6870)
  - waiting to lock <0x04b7c1de> (a com.android.server.pm.PackageManagerTracedLock) held by thread 2
  com.android.server.Watchdog$HandlerChecker.run(Watchdog.java:341)
  <thread>
"""),
    (Stack("PackageInstaller", "Native", """
  native: disk
  com.android.server.pm.dex.DexManager.writeUsage(DexManager.java:640)
  com.android.server.pm.dex.DexManager.reconcile(DexManager.java:517)
  - locked <0x04b7c1de> (a com.android.server.pm.PackageManagerTracedLock)
  com.android.server.pm.InstallPackageHelper.commitPackages(InstallPackageHelper.java:411)
  <thread>
"""),
     Stack("main", "Native", _IDLE_LOOP)))  # fmt: skip
