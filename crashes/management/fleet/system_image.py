"""Libraries of the system image that have no debug file here, and stacks that pass through them.

Their build ids are made up, one for every library and release, so that they stand in the list of
missing debug files as they would on a fresh installation. A waiting thread is one row: its name,
and the frames in which such threads wait.
"""

from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from zlib import crc32

from crashes.formats.tombstone_parts import native_frame
from crashes.stack import Frame, Module

LIBC = "/apex/com.android.runtime/lib64/bionic/libc.so"
LIBLOG = "/system/lib64/liblog.so"
LIBART = "/apex/com.android.art/lib64/libart.so"
LIBBINDER = "/system/lib64/libbinder.so"
LIBUTILS = "/system/lib64/libutils.so"
LIBHWUI = "/system/lib64/libhwui.so"
RUNTIME = "/system/lib64/libandroid_runtime.so"
BOOT_OAT = "/system/framework/arm64/boot.oat"

_MODULES = (
    LIBC, LIBLOG, LIBART, LIBBINDER, LIBUTILS, LIBHWUI, RUNTIME,
    "/apex/com.android.runtime/bin/linker64",
    "/apex/com.android.runtime/lib64/bionic/libm.so",
    "/apex/com.android.runtime/lib64/bionic/libdl.so",
    "/system/lib64/libc++.so", "/system/lib64/libbase.so", "/system/lib64/libcutils.so",
    "/system/lib64/libhidlbase.so", "/system/lib64/libbinder_ndk.so", "/system/lib64/libui.so",
    "/system/lib64/libgui.so", "/system/lib64/libvndksupport.so", "/system/lib64/libprocessgroup.so",
    "/vendor/lib64/libvndservice.so", "/vendor/lib64/egl/libGLESv2_vendor.so",
    "/apex/com.android.art/lib64/libartbase.so", "/apex/com.android.art/lib64/libdexfile.so",
    "/apex/com.android.conscrypt/lib64/libjavacrypto.so", "/apex/com.android.i18n/lib64/libicuuc.so",
)  # fmt: skip
_MODULE_BYTES = 0x180000
_FIRST_BASE = 0x7A10000000
_BASE_STRIDE = 0x1000000
_DRIFT = 0x400

# name: (library, address in release 14, offset in the function)
_CALLS = {
    "abort": (LIBC, 0x5F6A0, 164),
    "__pthread_start(void*)": (LIBC, 0xCA724, 208),
    "__start_thread": (LIBC, 0x63B60, 64),
    "syscall": (LIBC, 0x5B8F8, 28),
    "__ioctl": (LIBC, 0xB6A88, 8),
    "ioctl": (LIBC, 0x6F41C, 156),
    "__epoll_pwait": (LIBC, 0xB6978, 8),
    "nanosleep": (LIBC, 0xB7068, 8),
    "__futex_wait_ex(void volatile*, bool, int, bool, timespec const*)": (LIBC, 0x60A84, 144),
    "pthread_cond_wait": (LIBC, 0xC9E98, 76),
    "__libc_init": (LIBC, 0x58F44, 100),
    "__android_log_assert": (LIBLOG, 0x8E10, 304),
    "__android_log_default_aborter": (LIBLOG, 0x8B4C, 12),
    "art_quick_generic_jni_trampoline": (LIBART, 0x377030, 144),
    "art_quick_invoke_static_stub": (LIBART, 0x36D7B4, 640),
    "art::ArtMethod::Invoke(art::Thread*, unsigned int*, unsigned int, art::JValue*, char const*)":
        (LIBART, 0x3A4E20, 204),
    "art::interpreter::DoCall<false>(art::ArtMethod*, art::Thread*, art::ShadowFrame&, "
    "art::Instruction const*, unsigned short, bool, art::JValue*)": (LIBART, 0x4F1C3C, 1620),
    "art::SignalCatcher::WaitForSignal(art::Thread*, art::SignalSet&)": (LIBART, 0x6E4D48, 156),
    "art::SignalCatcher::Run(void*)": (LIBART, 0x6E31F4, 372),
    "art::ConditionVariable::WaitHoldingLocks(art::Thread*)": (LIBART, 0x3C4BA4, 140),
    "art::gc::TaskProcessor::RunAllTasks(art::Thread*)": (LIBART, 0x4A7BE8, 92),
    "android::IPCThreadState::talkWithDriver(bool)": (LIBBINDER, 0x5D8C8, 296),
    "android::IPCThreadState::getAndExecuteCommand()": (LIBBINDER, 0x5DC14, 28),
    "android::IPCThreadState::joinThreadPool(bool)": (LIBBINDER, 0x5E410, 68),
    "android::PoolThread::threadLoop()": (LIBBINDER, 0x8AE58, 388),
    "android::Thread::_threadLoop(void*)": (LIBUTILS, 0x134FC, 288),
    "android::Looper::pollInner(int)": (LIBUTILS, 0x18430, 184),
    "android::Looper::pollOnce(int, int*, int*, void**)": (LIBUTILS, 0x18310, 112),
    "android::uirenderer::renderthread::RenderThread::threadLoop()": (LIBHWUI, 0x2F9A10, 92),
    "android::uirenderer::skiapipeline::GLFunctorDrawable::onDraw(SkCanvas*)":
        (LIBHWUI, 0x28B7C4, 1160),
    "android::uirenderer::renderthread::CanvasContext::draw(bool)": (LIBHWUI, 0x2DD0F8, 1088),
    "android::uirenderer::WorkQueue::process()": (LIBHWUI, 0x2EA5A4, 588),
}  # fmt: skip

_THREAD_END = ("__pthread_start(void*)", "__start_thread")
_POLL = ("__epoll_pwait", "android::Looper::pollInner(int)",
         "android::Looper::pollOnce(int, int*, int*, void**)")  # fmt: skip
_BINDER = (
    "__ioctl", "ioctl", "android::IPCThreadState::talkWithDriver(bool)",
    "android::IPCThreadState::getAndExecuteCommand()",
    "android::IPCThreadState::joinThreadPool(bool)",
    "android::PoolThread::threadLoop()", "android::Thread::_threadLoop(void*)", *_THREAD_END,
)  # fmt: skip
_WAITING = ("syscall", "__futex_wait_ex(void volatile*, bool, int, bool, timespec const*)",
            "pthread_cond_wait", *_THREAD_END)  # fmt: skip

DAEMON_THREADS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("main", (*_POLL, "__libc_init")),
    ("binder:{pid}_1", _BINDER),
    ("binder:{pid}_2", _BINDER),
    ("HwBinder:{pid}_1", _BINDER),
    ("worker-0", _WAITING),
    ("worker-1", _WAITING),
    ("watchdog", ("nanosleep", *_THREAD_END)),
)
APP_THREADS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("main", _POLL),
    ("Signal Catcher", (
        "syscall", "art::SignalCatcher::WaitForSignal(art::Thread*, art::SignalSet&)",
        "art::SignalCatcher::Run(void*)", *_THREAD_END)),
    ("HeapTaskDaemon", (
        "syscall", "art::ConditionVariable::WaitHoldingLocks(art::Thread*)",
        "art::gc::TaskProcessor::RunAllTasks(art::Thread*)", *_THREAD_END)),
    ("binder:{pid}_1", _BINDER),
    ("binder:{pid}_2", _BINDER),
    ("binder:{pid}_3", _BINDER),
    ("hwuiTask0", _WAITING),
    ("hwuiTask1", _WAITING),
    ("RenderThread", (
        *_POLL, "android::uirenderer::renderthread::RenderThread::threadLoop()",
        "android::Thread::_threadLoop(void*)", *_THREAD_END)),
    ("OkHttp Dispatch", _WAITING),
)  # fmt: skip


def system_frames(names: tuple[str, ...], release: str, *, start: int = 0) -> tuple[Frame, ...]:
    """The frames of these calls in one release, numbered from `start`."""
    frames = _frames(names, release)
    return tuple(replace(frame, index=start + at) for at, frame in enumerate(frames))


@lru_cache(maxsize=1024)
def _frames(names: tuple[str, ...], release: str) -> tuple[Frame, ...]:
    return tuple(_frame(name, release) for name in names)


def _frame(name: str, release: str) -> Frame:
    library, address, offset = _CALLS[name]
    moved = (crc32(f"{library} {release}".encode()) % 64) * _DRIFT
    return native_frame(
        0,
        address + moved,
        module=library,
        function=name,
        function_offset=offset,
        build_id=build_id_of(library, release),
    )


@lru_cache(maxsize=1024)
def build_id_of(library: str, release: str) -> str:
    """The build id of a library in one release: 16 bytes, as Android's linker makes them."""
    return blake2b(f"{library} {release}".encode(), digest_size=16).hexdigest()


@lru_cache(maxsize=8)
def system_modules(release: str) -> tuple[Module, ...]:
    """Where the libraries of the image are mapped in a process of this release."""
    return tuple(
        Module(
            path=path,
            build_id=build_id_of(path, release),
            start_addr=_FIRST_BASE + number * _BASE_STRIDE,
            end_addr=_FIRST_BASE + number * _BASE_STRIDE + _MODULE_BYTES,
            map_offset=0,
        )
        for number, path in enumerate(_MODULES)
    )
