"""What of a crash is evidence: which type, which stack, which frames are the program's own.

1. **Type.** An exception's class, a signal, the kind of an ANR, a panic's first words without
   numbers. For a chain whose outer exceptions hold no own frame (Android wraps what goes wrong in
   `onCreate` into "Unable to start activity"), the deepest one with own frames speaks.
2. **Stack.** Of a chain the frames of the speaking exception, else of the crashing thread.
3. **Own.** The kernel's code is its own, from the function on that its report blames. For a
   system process the platform is. For any other program the platform is foreign, unless there is
   nothing else.
4. **Extras.** Of a chain the root cause's type and first own frame, of a blocked thread the first
   own frame of who made it wait (`blocked`): tokens of their own, because two crashes that differ
   there have different causes.
5. **Without a stack** a killed process stands for itself, with the state it was in, and an error
   for its text, hashed without what changes from time to time (`reasons`).

Message text never leaves here: `words` are hashes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from crashes.grouping import curated, normalize
from crashes.grouping.blocked import Culprit, find_culprit
from crashes.grouping.normalize import Language, Tier, Token
from crashes.grouping.reasons import (
    anr_reason,
    error_key,
    kernel_fault,
    kill_state,
    killed,
    message_words,
    plain_type,
)
from crashes.stack import CauseLink, Crash, CrashKind, ExceptionInfo, Frame

_KERNEL_KINDS = frozenset({CrashKind.KERNEL_PANIC, CrashKind.REBOOT})
_KERNEL_SOURCE = "kernel"
_NATIVE_KINDS = frozenset({CrashKind.NATIVE_CRASH, CrashKind.LOW_MEMORY_KILL})
_REASON_KINDS = frozenset(
    {
        CrashKind.WTF,
        CrashKind.STRICT_MODE,
        CrashKind.LOW_MEMORY_KILL,
        CrashKind.BACKGROUND_KILL,
    }
)
_KILLS = {
    CrashKind.LOW_MEMORY_KILL: "Low memory kill",
    CrashKind.BACKGROUND_KILL: "Background kill",
}
_OVERFLOWS = ("StackOverflowError", "RecursionError")
_OVERFLOW_FRAMES = 200


@dataclass(frozen=True, slots=True)
class Evidence:
    """The part of a crash that grouping builds on.

    `culprit` is who made the crashing thread wait. `victim` names a process that was killed and
    left no stack. `notes` tell what was chosen and why.
    """

    kind: CrashKind
    type: str
    tokens: tuple[Token, ...]
    words: tuple[int, ...] = ()
    culprit: Culprit = field(default_factory=Culprit)
    victim: str = ""
    is_kernel: bool = False
    notes: tuple[str, ...] = field(default=())

    @property
    def own(self) -> tuple[Token, ...]:
        """The program's own frames, innermost first."""
        return tuple(token for token in self.tokens if token.in_app)


def gather(crash: Crash) -> Evidence:
    """The evidence of one crash; a crash without any stack gives no tokens."""
    system = is_platform(crash)
    chain = _causes(crash.exceptions)
    speaker = _speaker(crash, chain, system=system)
    frames = _frames(crash, speaker)
    stack, stack_note = _own_stack(frames, crash, system=system, kind_type=_type(crash, speaker))
    culprit = find_culprit(crash, partial(_own_frames, crash=crash), system=system)
    extras = [
        *([culprit.token] if culprit.token else []),
        *_cause_tokens(crash, chain, speaker, system=system),
    ]
    tokens = (*stack, *extras) or tuple(_without_stack(crash))
    return Evidence(
        kind=crash.kind,
        type=_type(crash, speaker),
        tokens=tokens,
        words=message_words(_message(crash, speaker)),
        culprit=culprit,
        is_kernel=is_kernel(crash),
        victim=_victim(crash)[0] if crash.kind in _KILLS and not (stack or extras) else "",
        notes=tuple(_notes(crash, speaker, stack_note, system=system)),
    )


def is_platform(crash: Crash) -> bool:
    """Whether the crashed program belongs to the system image."""
    if is_kernel(crash):
        return True
    program = crash.package or crash.process or ""
    known = curated.load("platform_processes")
    return known.has(program) or known.has(program.rsplit("/", 1)[-1].split(":", 1)[0])


def is_kernel(crash: Crash) -> bool:
    """Whether the kernel tells of itself: it died of it, or it went on."""
    return crash.kind in _KERNEL_KINDS or crash.details.get("source") == _KERNEL_SOURCE


def language_of(crash: Crash) -> Language:
    """How a frame of this crash spells its name if nothing about the frame says otherwise."""
    if is_kernel(crash):
        return Language.KERNEL
    return Language.NATIVE if crash.kind in _NATIVE_KINDS else Language.MANAGED


# Which frames ---------------------------------------------------------------------------------


def _causes(chain: Sequence[ExceptionInfo]) -> list[ExceptionInfo]:
    """The chain without what was suppressed and without causes that are only markers."""
    markers = curated.load("marker_exceptions")
    return [
        link
        for link in chain
        if link.depth == 0
        and link.link is not CauseLink.SUPPRESSED
        and (link.link is CauseLink.OUTERMOST or not markers.has(link.type))
    ]


def _speaker(crash: Crash, chain: Sequence[ExceptionInfo], *, system: bool) -> ExceptionInfo | None:
    """The exception whose type and frames stand for the crash."""
    if not chain:
        return None
    if _has_own(chain[0].frames or _thread_frames(crash), crash, system=system):
        return chain[0]
    own = [link for link in chain[1:] if _has_own(link.frames, crash, system=system)]
    return own[-1] if own else chain[0]


def _has_own(frames: Iterable[Frame], crash: Crash, *, system: bool) -> bool:
    tokens = [normalize.tokenize(frame, language_of(crash)) for frame in frames]
    return any(token.known and token.tier >= _own_from(tokens, system=system) for token in tokens)


def _own_from(tokens: Iterable[Token], *, system: bool) -> Tier:
    """The lowest tier that counts as own code when nothing is relaxed."""
    return Tier.PLATFORM if system else Tier.APP


def _thread_frames(crash: Crash) -> tuple[Frame, ...]:
    thread = crash.crashing_thread or next(iter(crash.threads), None)
    return thread.frames if thread else ()


def _frames(crash: Crash, speaker: ExceptionInfo | None) -> tuple[Frame, ...]:
    if speaker is not None and speaker.frames:
        return speaker.frames
    return _thread_frames(crash)


def _own_stack(
    frames: Sequence[Frame], crash: Crash, *, system: bool, kind_type: str
) -> tuple[list[Token], str]:
    """Collapsed, trimmed tokens with `in_app` decided, and a note about what was left out."""
    raw = _tokens(frames, crash)
    overflow = kind_type.endswith(_OVERFLOWS) or len(raw) >= _OVERFLOW_FRAMES
    collapsed = normalize.collapse(raw)
    kept = normalize.trim(collapsed, overflow=overflow)
    note = f"{len(kept)} of {len(raw)} frames kept"
    if len(collapsed) < len(raw):
        note += f", {len(raw) - len(collapsed)} repeated by recursion or compiler"
    return mark_own(kept, system=system), note


def mark_frames(frames: Sequence[Frame], crash: Crash) -> list[Token]:
    """Every frame as a token with `in_app` set: for people who look at the whole stack."""
    return mark_own(_tokens(frames, crash), system=is_platform(crash))


def _tokens(frames: Sequence[Frame], crash: Crash) -> list[Token]:
    raw = [normalize.tokenize(frame, language_of(crash)) for frame in frames]
    return _from_blamed(raw, crash)


def _from_blamed(tokens: list[Token], crash: Crash) -> list[Token]:
    """The same tokens; what the function that a kernel's report blames has called is runtime."""
    blamed = crash.details.get("frame") if is_kernel(crash) else None
    if not isinstance(blamed, str) or not blamed:
        return tokens
    name = normalize.kernel_name(blamed)
    at = next((at for at, token in enumerate(tokens) if token.text == name), None)
    if at is None:
        return tokens
    inner = [token._replace(tier=Tier.RUNTIME) for token in tokens[:at]]
    return [*inner, tokens[at]._replace(tier=Tier.APP), *tokens[at + 1 :]]


def mark_own(tokens: Sequence[Token], *, system: bool) -> list[Token]:
    """The same tokens with `in_app` set; relaxed to the platform if there is no app frame."""
    lowest = Tier.PLATFORM if system else Tier.APP
    if not any(token.known and token.tier >= lowest for token in tokens):
        lowest = Tier.PLATFORM
    return [token._replace(in_app=token.known and token.tier >= lowest) for token in tokens]


# Extras ---------------------------------------------------------------------------------------


def _own_frames(frames: Sequence[Frame], crash: Crash, *, system: bool) -> list[Token]:
    tokens = [normalize.tokenize(frame, language_of(crash)) for frame in frames]
    return [token for token in mark_own(tokens, system=system) if token.in_app]


def _cause_tokens(
    crash: Crash,
    chain: Sequence[ExceptionInfo],
    speaker: ExceptionInfo | None,
    *,
    system: bool,
) -> list[Token]:
    """The root cause's type and first own frame, unless the root cause is the speaker."""
    if speaker is None or chain[-1] is speaker:
        return []
    root = chain[-1]
    extras = [Token(f"cause {root.type}", in_app=True)]
    own = _own_frames(root.frames, crash, system=system)
    extras += [token._replace(text=f"cause at {token.text}") for token in own[:1]]
    return extras


# Without a stack ------------------------------------------------------------------------------


def _without_stack(crash: Crash) -> Iterable[Token]:
    """What stands for a crash without any frame: whom it blames, who was killed, or its text."""
    if crash.kind in _KILLS:
        name, state = _victim(crash)
        if name:
            yield Token(f"killed {name} {state}".rstrip(), in_app=True)
    elif is_kernel(crash):
        blamed = crash.details.get("frame")
        if isinstance(blamed, str) and blamed:
            yield Token(normalize.kernel_name(blamed), in_app=True)
    elif not crash.exceptions:
        key = error_key(crash.exception_message or crash.abort_message or crash.reason or "")
        if key:
            yield Token(f"text {key}", in_app=True)


def _victim(crash: Crash) -> tuple[str, str]:
    """Name and state of the process that was killed."""
    name, state = killed(crash.reason or "")
    score = crash.details.get("oom_score_adj")
    if not state and isinstance(score, int):
        state = kill_state(score)
    named = crash.details.get("process_state") or crash.details.get("importance")
    if not state and isinstance(named, str):
        state = plain_type(named)
    return name or crash.process or crash.package or "", state


# Type and message -----------------------------------------------------------------------------


def _type(crash: Crash, speaker: ExceptionInfo | None) -> str:
    if crash.kind is CrashKind.ANR:
        return f"ANR {anr_reason(crash.reason or '')}"
    if crash.kind is CrashKind.WATCHDOG or is_kernel(crash):
        return _system_type(crash)
    if crash.kind is CrashKind.LOW_MEMORY_KILL and not crash.threads:
        state = _victim(crash)[1]
        return f"{_KILLS[crash.kind]} ({state})" if state else _KILLS[crash.kind]
    named = (speaker.type if speaker else crash.exception_type) or crash.signal
    if named is None and crash.kind in _REASON_KINDS:
        named = crash.reason
    return plain_type((named or "").split("\n", 1)[0]) or str(crash.kind)


def _system_type(crash: Crash) -> str:
    text = crash.exception_type or crash.signal or (crash.reason or "").split("\n", 1)[0]
    if crash.kind is CrashKind.WATCHDOG:
        return f"Watchdog {'monitor' if 'monitor' in text.lower() else 'handler'}"
    return kernel_fault(text) or str(crash.kind)


def _message(crash: Crash, speaker: ExceptionInfo | None) -> str:
    if speaker is not None and speaker.message:
        return speaker.message
    return crash.exception_message or crash.abort_message or ""


# Notes ----------------------------------------------------------------------------------------


def _notes(
    crash: Crash, speaker: ExceptionInfo | None, stack_note: str, *, system: bool
) -> Iterable[str]:
    yield f"kind {crash.kind}, type {_type(crash, speaker)}"
    if speaker is not None and speaker is not crash.exceptions[0]:
        yield f"{crash.exceptions[0].type} only wraps it, so its cause {speaker.type} speaks"
    yield stack_note
    if is_kernel(crash):
        yield "own code is the kernel without its reporting and entry functions"
    elif system:
        yield "the program belongs to the system image, so the platform is its own code"
