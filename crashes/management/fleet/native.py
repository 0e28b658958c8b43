"""Native crashes of the demo: tombstones of programs that exist.

A `NativeBug` says which program crashes along which calls. The frames of the program come from its
compiled form (`programs`), those around it from the system image; registers, memory map and
waiting threads are what a phone would have written. Seven of ten go out as text, the rest as
protobuf.
"""

from dataclasses import dataclass
from random import Random

from crashes.formats.tombstone_parts import native_frame
from crashes.formats.tombstone_writer import write_proto, write_text
from crashes.management.fleet.programs import Program, Step
from crashes.management.fleet.scene import Dump, DumpMaker, Scene
from crashes.management.fleet.system_image import (
    APP_THREADS,
    DAEMON_THREADS,
    system_frames,
    system_modules,
)
from crashes.stack import Crash, CrashKind, Frame, Module, PayloadFormat, Thread

_TEXT_PART = 0.7
_PROGRAM_BASE = 0x7B40000000
_BASE_SLOTS = 0x4000
_PAGE = 0x1000
_STACK = 0x7FC0000000
_THREAD_END = ("__pthread_start(void*)", "__start_thread")
_ABORT = ("abort", "__android_log_default_aborter", "__android_log_assert")
_REGISTERS = {
    "arm64": tuple(f"x{number}" for number in range(30)),
    "x86_64": ("rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
               "rdi", "rsi"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Signal:
    """What the kernel said. `fault` is an address, or None where there is none."""

    number: int
    name: str
    code: int
    code_name: str
    fault: int | None = None


NULL = Signal(11, "SIGSEGV", 1, "SEGV_MAPERR", 0x58)
WILD = Signal(11, "SIGSEGV", 1, "SEGV_MAPERR", 0xB400_0000_0000_0000)
GUARD = Signal(11, "SIGSEGV", 2, "SEGV_ACCERR", 0x7B_0000_0000)
BUS = Signal(7, "SIGBUS", 2, "BUS_ADRERR", 0x7C_1000_0000)
ABORT = Signal(6, "SIGABRT", -1, "SI_QUEUE")
_TAG_AND_PAGE = 28  # a wild address keeps its high part and varies in these low bits
_RECURSION = (2, 3, 5, 8)


@dataclass(frozen=True, slots=True)
class NativeBug:
    """One cause. `below` are the calls that lead into the program, innermost first.

    `folder` is where the library is installed. `repeated` names a step that recurs. `is_own_app`
    says that the library comes with an app and changes with its version.
    """

    source: str
    folder: str
    thread: str
    steps: tuple[Step, ...]
    signal: Signal
    abort_message: str | None = None
    below: tuple[str, ...] = _THREAD_END
    repeated: int | None = None
    is_own_app: bool = False


def native_crash(bug: NativeBug, programs: dict[tuple[str, int], Program]) -> DumpMaker | None:
    """A maker of tombstones, or None when the program could not be compiled here."""
    if (bug.source, 1) not in programs:
        return None

    def make(scene: Scene) -> Dump:
        generation = 1 + (scene.version_index if bug.is_own_app else scene.build_index)
        crash = crash_of(bug, programs[bug.source, generation], scene)
        if scene.random.random() < _TEXT_PART:
            return Dump(PayloadFormat.TOMBSTONE_TEXT, write_text(crash).encode())
        with_headers = scene.build.release >= "14"
        content = write_proto(crash, with_headers=with_headers)
        return Dump(PayloadFormat.TOMBSTONE_PROTO, content)

    return make


def crash_of(bug: NativeBug, program: Program, scene: Scene) -> Crash:
    """What the phone's debuggerd knows about one crash of the program."""
    random, signal = scene.random, bug.signal
    path = f"{bug.folder}/{program.name}"
    module = _module(path, program, random)
    frames = _frames(bug, program, path, scene)
    tid = scene.pid if bug.thread == "main" else scene.pid + random.randint(1, 40)
    crashing = Thread(
        name=bug.thread,
        tid=tid,
        crashing=True,
        frames=frames,
        registers=_registers(program.abi, _counter(frames[0], module), random),
    )
    return Crash(
        kind=CrashKind.NATIVE_CRASH,
        process=scene.process,
        pid=scene.pid,
        tid=tid,
        abi=program.abi,
        build_fingerprint=scene.fingerprint,
        timestamp=_timestamp(scene),
        signal=signal.name,
        signal_number=signal.number,
        signal_code=signal.code_name,
        fault_addr=_fault(signal, random),
        abort_message=_filled(bug.abort_message, random),
        threads=(crashing, *_other_threads(scene, program.abi, bug.thread)),
        modules=(module, *system_modules(scene.build.release)),
        details=_details(scene, signal, random),
    )


def _details(scene: Scene, signal: Signal, random: Random) -> dict[str, int | str]:
    return {
        "uid": scene.uid,
        "uptime_s": random.randint(1, 200_000),
        "page_size_bytes": _PAGE,
        "command_line": scene.process,
        "revision": "0",
        "signal_code_number": signal.code,
        "memory_mappings": random.randint(60, 90),
        "open_fds": random.randint(8, 40),
    }


def _frames(bug: NativeBug, program: Program, path: str, scene: Scene) -> tuple[Frame, ...]:
    release = scene.build.release
    aborts = bug.signal is ABORT
    above = system_frames(_ABORT, release) if aborts else ()
    places = list(program.places(bug.steps, in_call=aborts))
    if bug.repeated is not None:
        at = len(places) - bug.repeated
        places[at:at] = [places[at]] * _RECURSION[scene.shape]
    own = [
        native_frame(
            len(above) + number,
            place.address,
            module=path,
            function=place.exported,
            function_offset=place.offset,
            build_id=program.build_id,
        )
        for number, place in enumerate(places)
    ]
    below = system_frames(bug.below, release, start=len(above) + len(own))
    return (*above, *own, *below)


def _module(path: str, program: Program, random: Random) -> Module:
    """Where the loader put the program's code in this process."""
    base = _PROGRAM_BASE + random.randrange(_BASE_SLOTS) * _PAGE
    start = program.text_start & -_PAGE
    return Module(
        path=path,
        build_id=program.build_id,
        start_addr=base + start,
        end_addr=base + (program.text_end + _PAGE - 1 & -_PAGE),
        map_offset=program.text_offset & -_PAGE,
    )


def _counter(frame: Frame, module: Module) -> int:
    """The program counter in memory of the innermost frame, as far as the map says."""
    base = (module.start_addr or 0) - (module.map_offset or 0)
    return base + (frame.address or 0)


def _registers(abi: str, counter: int, random: Random) -> dict[str, int]:
    stack = _STACK + random.randrange(1 << 24) * 16
    values = {name: _value(random, stack) for name in _REGISTERS[abi]}
    if abi == "arm64":
        return values | {"lr": counter + 0x40, "sp": stack, "pc": counter, "pst": 0x60001000}
    return values | {"rbp": stack + 0x60, "rsp": stack, "rip": counter}


def _value(random: Random, stack: int) -> int:
    """What registers hold: small numbers, stack addresses, tagged heap addresses."""
    drawn = random.getrandbits(30)
    kind = drawn & 3
    if kind == 0:
        return drawn >> 20
    if kind == 1:
        return stack + (drawn & 0xFF8)
    return 0xB400_0070_0000_0000 | drawn & ~7 if kind == 2 else drawn  # noqa: PLR2004


def _other_threads(scene: Scene, abi: str, crashing: str) -> tuple[Thread, ...]:
    rows = APP_THREADS if scene.app is not None else DAEMON_THREADS
    wanted = [row for row in rows if row[0] != crashing]
    kept = wanted[: 4 + scene.random.randint(0, len(wanted) - 4)]
    return tuple(
        Thread(
            name=name.format(pid=scene.pid),
            tid=scene.pid + (41 + number if name != "main" else 0),
            frames=system_frames(calls, scene.build.release),
            registers=_registers(abi, _STACK - 0x1000 * number, scene.random),
        )
        for number, (name, calls) in enumerate(kept)
    )


def _fault(signal: Signal, random: Random) -> int | None:
    if signal.fault is None or signal is NULL:
        return signal.fault
    return signal.fault | random.getrandbits(_TAG_AND_PAGE)


def _filled(message: str | None, random: Random) -> str | None:
    return message and message.replace("@N@", str(random.randint(240, 255)))


def _timestamp(scene: Scene) -> str:
    """`2025-11-24 16:26:18.007439439+0100`."""
    nanoseconds = scene.local_at.microsecond * 1000 + scene.random.randrange(1000)
    return f"{scene.local_at:%Y-%m-%d %H:%M:%S}.{nanoseconds:09d}{scene.local_at:%z}"


def _step(function: str, mark: str) -> Step:
    return Step(function, mark)


def _steps(namespace: str, *pairs: tuple[str, str]) -> tuple[Step, ...]:
    """Steps whose functions are in one namespace, save those that are written with `::` first."""
    return tuple(
        _step(name[2:] if name.startswith("::") else namespace + name, mark) for name, mark in pairs
    )


_CAMERA = "hmd::camera::"
_AUDIO = "hmd::audio::"
_TEXT = "hmd::text::"
_RENDER = (
    "android::uirenderer::skiapipeline::GLFunctorDrawable::onDraw(SkCanvas*)",
    "android::uirenderer::renderthread::CanvasContext::draw(bool)",
    "android::uirenderer::WorkQueue::process()",
    "android::uirenderer::renderthread::RenderThread::threadLoop()",
    "android::Thread::_threadLoop(void*)",
    *_THREAD_END,
)
_JNI = (
    "art_quick_generic_jni_trampoline",
    "art_quick_invoke_static_stub",
    "art::ArtMethod::Invoke(art::Thread*, unsigned int*, unsigned int, art::JValue*, char const*)",
    "art::interpreter::DoCall<false>(art::ArtMethod*, art::Thread*, art::ShadowFrame&, "
    "art::Instruction const*, unsigned short, bool, art::JValue*)",
    *_THREAD_END,
)

TONE_CURVE = NativeBug(
    "camera_pipeline", "/vendor/lib64/hw", "CameraPipeline", _steps(
        _CAMERA, ("ToneCurve::at", "tone_at"), ("PostProcessor::mapRow", "map_row_at"),
        ("PostProcessor::apply", "apply_map_row"), ("Pipeline::processFrame", "process_apply"),
        ("Pipeline::loop", "loop_process"), ("::hmd_camera_pipeline_main", "camera_main")),
    WILD)  # fmt: skip
RECYCLED_FRAME = NativeBug(
    "camera_pipeline", "/vendor/lib64/hw", "CameraPipeline", _steps(
        _CAMERA, ("FrameQueue::recycle", "recycle_reference"), ("FrameQueue::flush", "flush_recycle"),
        ("Pipeline::handleFlush", "handle_flush"), ("Pipeline::processFrame", "process_flush"),
        ("Pipeline::loop", "loop_process"), ("::hmd_camera_pipeline_main", "camera_main")),
    NULL)  # fmt: skip
PAST_THE_SAMPLES = NativeBug(
    "audio_mixer", "/system/lib64", "MixerThread", _steps(
        _AUDIO, ("Resampler::tap", "tap_sample"), ("Track::resampleInto", "resample_tap"),
        ("Mixer::mixOnce", "mix_resample"), ("Mixer::threadLoop", "loop_mix"),
        ("::hmd_mixer_thread", "mixer_thread")),
    GUARD)  # fmt: skip
RING_OVERRUN = NativeBug(
    "audio_mixer", "/system/lib64", "MixerThread", _steps(
        _AUDIO, ("Ring::overrun", "overrun_assert"), ("Ring::push", "push_overrun"),
        ("Track::resampleInto", "resample_push"), ("Mixer::mixOnce", "mix_resample"),
        ("Mixer::threadLoop", "loop_mix"), ("::hmd_mixer_thread", "mixer_thread")),
    ABORT, abort_message="ring buffer overrun: 7@N@ of 7680")  # fmt: skip
NESTED_RECORD = NativeBug(
    "ril_parser", "/vendor/lib64", "rild-reader", _steps(
        "", ("read_length", "read_length"), ("parse_tlv", "tlv_length"),
        ("parse_tlv", "tlv_nested"), ("hmd_ril_on_message", "message_tlv"),
        ("hmd_ril_reader", "reader")),
    GUARD, repeated=3)  # fmt: skip
STALE_REQUEST = NativeBug(
    "ril_parser", "/vendor/lib64", "rild-dispatch", _steps(
        "", ("complete_request", "complete_token"), ("hmd_ril_dispatcher", "dispatch_complete")),
    WILD)  # fmt: skip
SENSOR_RING = NativeBug(
    "sensor_hub", "/vendor/lib64", "sensors-poll", _steps(
        "", ("low_pass", "low_pass"), ("fuse", "low_pass"), ("drain_channel", "drain_fuse"),
        ("hmd_sensors_poll", "poll_drain")),
    BUS)  # fmt: skip
GLYPH_CACHE = NativeBug(
    "font_renderer", "/system_ext/lib64", "RenderThread", _steps(
        _TEXT, ("GlyphCache::matches", "matches_code"), ("GlyphCache::find", "matches_code"),
        ("TextRun::draw", "draw_find"), ("::hmd_text_draw", "text_draw")),
    WILD, below=_RENDER)  # fmt: skip
GLYPH_BLIT = NativeBug(
    "font_renderer", "/system_ext/lib64", "RenderThread", _steps(
        _TEXT, ("Atlas::blend", "blend"), ("Atlas::blit", "blit_blend"),
        ("TextRun::draw", "draw_blit"), ("::hmd_text_draw", "text_draw")),
    GUARD, below=_RENDER)  # fmt: skip
SATELLITE_WEIGHT = NativeBug(
    "gnss_filter", "/vendor/lib64", "gnss-solver", _steps(
        "hmd::gnss::", ("Solver::weigh", "weigh"), ("Solver::solve", "solve_weigh"),
        ("::hmd_gnss_update", "update")),
    NULL)  # fmt: skip
LOST_CONTACT = NativeBug(
    "tilt_engine", "/data/app/~~Qm9yZWFs9w==/com.pixelforge.tilt-k3J1bm8tNA==/lib/arm64",
    "GLThread 214", _steps(
        "tilt::", ("World::resolve", "resolve"), ("World::step", "step_resolve"),
        ("::Java_com_pixelforge_tilt_Engine_nativeStep", "native_step")),
    NULL, below=_JNI, is_own_app=True)  # fmt: skip
BAD_CODE = NativeBug(
    "thumb_codec", "/system_ext/lib64", "ThumbDecoder-2", _steps(
        "hmd::thumb::", ("Decoder::corrupt", "corrupt_assert"),
        ("Decoder::decodeBlock", "block_corrupt"), ("Decoder::decodeRow", "row_block"),
        ("Decoder::decode", "decode_row"), ("::hmd_thumb_decode", "thumb")),
    ABORT, abort_message="bad code @N@", below=_JNI)  # fmt: skip

WITHOUT_DEBUG_FILE = frozenset({"gnss_filter", "tilt_engine"})
"""Components whose debug files nobody uploads, so that the list of missing ones has content."""
