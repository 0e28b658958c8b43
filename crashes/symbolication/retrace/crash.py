"""A parsed crash with the original names in it.

Exceptions, the frames of exceptions and threads, and the classes of monitors get their names.
A frame that R8 inlined becomes several, the inlined ones marked and before the one that held
them; the compiler's own frames go. Of several readings the first is taken, and counted.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from crashes.stack import Crash, ExceptionInfo, Frame, FrameStatus, JsonValue, Thread
from crashes.symbolication.retrace.frames import (
    NO_CONTEXT,
    Answer,
    Context,
    FrameRetracer,
    RetracedCall,
)
from crashes.symbolication.retrace.members import NO_LINE
from crashes.symbolication.retrace.text import source_file

_DETAILS = "retrace"
_MAP_ID = "r8-map-id-"


@dataclass(slots=True)
class _Counts:
    retraced_frames: int = 0
    ambiguous_frames: int = 0
    dropped_frames: int = 0


def retrace_crash(frames: FrameRetracer, crash: Crash) -> Crash:
    """The crash with original names.

    Retraced frames have the status `deobfuscated` and keep the obfuscated name in
    `raw_function`; frames of classes that the mapping does not have stay as they are. Message
    texts stay, too. `details["retrace"]` has `map_id`, `retraced_frames`, `ambiguous_frames`
    (several readings; the first one is shown) and `dropped_frames` (made by the compiler).
    """
    work = _CrashRetracer(frames, _Counts())
    exceptions = tuple(work.exception(item) for item in crash.exceptions)
    threads = tuple(work.thread(item, crash.exception_type) for item in crash.threads)
    counts = work.counts
    summary: dict[str, JsonValue] = {
        "map_id": frames.mapping.facts.map_id,
        "retraced_frames": counts.retraced_frames,
        "ambiguous_frames": counts.ambiguous_frames,
        "dropped_frames": counts.dropped_frames,
    }
    return replace(
        crash,
        exceptions=exceptions,
        threads=threads,
        exception_type=work.class_name(crash.exception_type),
        details={**crash.details, _DETAILS: summary},
    )


def map_ids_of(crash: Crash) -> tuple[str, ...]:
    """The ids of the mappings a crash needs, as far as its frames say so, each once.

    R8 puts `pg_map_id` into the source file of every class it shortened.
    """
    stacks = [thread.frames for thread in crash.threads]
    stacks += [exception.frames for exception in crash.exceptions]
    files = (frame.file for stack in stacks for frame in stack if frame.file)
    found = (file.removeprefix(_MAP_ID) for file in files if file.startswith(_MAP_ID))
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class _CrashRetracer:
    frames: FrameRetracer
    counts: _Counts

    def class_name(self, name: str | None) -> str | None:
        if name is None:
            return None
        return self.frames.mapping.original_class(name) or name

    def exception(self, exception: ExceptionInfo) -> ExceptionInfo:
        return replace(
            exception,
            type=self.class_name(exception.type) or exception.type,
            frames=self.stack(exception.frames, exception.type),
        )

    def thread(self, thread: Thread, exception_type: str | None) -> Thread:
        """Of a thread's stack only the crashing one's is below an exception."""
        waits = thread.blocked_on
        if waits is not None:
            waits = replace(waits, lock_class=self.class_name(waits.lock_class))
        thrown = exception_type if thread.crashing else None
        return replace(thread, frames=self.stack(thread.frames, thrown), blocked_on=waits)

    def stack(self, frames: tuple[Frame, ...], thrown: str | None) -> tuple[Frame, ...]:
        if not any(map(_is_managed, frames)):
            return frames
        retraced = self._stack(frames, Context(thrown=thrown) if thrown else NO_CONTEXT)
        return tuple(replace(frame, index=index) for index, frame in enumerate(retraced))

    def _stack(self, frames: Iterable[Frame], context: Context) -> Iterator[Frame]:
        for frame in frames:
            class_name, dot, method = (frame.function or "").rpartition(".")
            if not dot or not _is_managed(frame):
                yield frame
                continue
            line = NO_LINE if frame.line is None else frame.line
            answer = self.frames.retrace(class_name, method, line, context)
            context = context if answer.next_context is None else answer.next_context
            yield from self._originals(frame, answer)

    def _originals(self, frame: Frame, answer: Answer) -> Iterator[Frame]:
        if not answer.alternatives:
            self.counts.dropped_frames += 1
            return
        calls = answer.alternatives[0]
        if not calls[0].class_known:
            yield frame
            return
        self.counts.retraced_frames += 1
        self.counts.ambiguous_frames += len(answer.alternatives) > 1
        for call in calls[:-1]:
            yield self._original(frame, call, inlined=True)
        yield self._original(frame, calls[-1], inlined=frame.inlined)

    def _original(self, frame: Frame, call: RetracedCall, *, inlined: bool) -> Frame:
        file = None if frame.native_method else source_file(self.frames, call, frame.file or "")
        return replace(
            frame,
            function=call.function,
            raw_function=frame.raw_function or frame.function,
            file=file,
            line=call.line if call.line > 0 else None,
            inlined=inlined,
            status=FrameStatus.DEOBFUSCATED,
        )


def _is_managed(frame: Frame) -> bool:
    return frame.status is FrameStatus.JAVA
