"""What of a crash is evidence: which type, which stack, which frames are the program's own.

1. **Type.** An exception's class, a signal, the kind of an ANR, a panic's first words without
   numbers. For a chain whose outer exceptions hold no own frame (Android wraps what goes wrong in
   `onCreate` into "Unable to start activity"), the deepest one with own frames speaks.
2. **Stack.** Of a chain the frames of the speaking exception, else of the crashing thread.
3. **Own.** The kernel's code is its own. For a system process the platform is. For any other
   program the platform is foreign, unless there is nothing else.
4. **Extras.** Of a chain the root cause's type and first own frame, of an ANR the first own frame
   of the thread that holds the lock: tokens of their own, because two crashes that differ there
   have different causes.

Message text never leaves here: `words` are hashes.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from crashes.grouping import curated, normalize
from crashes.grouping.normalize import Language, Tier, Token
from crashes.stack import CauseLink, Crash, CrashKind, ExceptionInfo, Frame, Thread

_KERNEL_KINDS = frozenset({CrashKind.KERNEL_PANIC, CrashKind.REBOOT})
_NATIVE_KINDS = frozenset({CrashKind.NATIVE_CRASH, CrashKind.LOW_MEMORY_KILL})
_REASON_KINDS = frozenset(
    {
        CrashKind.WTF,
        CrashKind.STRICT_MODE,
        CrashKind.LOW_MEMORY_KILL,
        CrashKind.BACKGROUND_KILL,
    }
)
_OVERFLOWS = ("StackOverflowError", "RecursionError")
_OVERFLOW_FRAMES = 200
_MOST_WORDS = 48
_TYPE_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Evidence:
    """The part of a crash that grouping builds on.

    `holder` says where, or by whom, the lock is held that an ANR waits for. `notes` tell what was
    chosen and why.
    """

    kind: CrashKind
    type: str
    tokens: tuple[Token, ...]
    words: tuple[int, ...] = ()
    holder: str = ""
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
    holder, holder_token = _lock_holder(crash, system=system)
    extras = [*holder_token, *_cause_tokens(crash, chain, speaker, system=system)]
    return Evidence(
        kind=crash.kind,
        type=_type(crash, speaker),
        tokens=(*stack, *extras),
        words=message_words(_message(crash, speaker)),
        holder=holder,
        notes=tuple(_notes(crash, speaker, stack_note, system=system)),
    )


def is_platform(crash: Crash) -> bool:
    """Whether the crashed program belongs to the system image."""
    if crash.kind in _KERNEL_KINDS:
        return True
    program = crash.package or crash.process or ""
    known = curated.load("platform_processes")
    return known.has(program) or known.has(program.rsplit("/", 1)[-1].split(":", 1)[0])


def _language(kind: CrashKind) -> Language:
    if kind in _KERNEL_KINDS:
        return Language.KERNEL
    return Language.NATIVE if kind in _NATIVE_KINDS else Language.MANAGED


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
    tokens = [normalize.tokenize(frame, _language(crash.kind)) for frame in frames]
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
    raw = [normalize.tokenize(frame, _language(crash.kind)) for frame in frames]
    overflow = kind_type.endswith(_OVERFLOWS) or len(raw) >= _OVERFLOW_FRAMES
    collapsed = normalize.collapse(raw)
    kept = normalize.trim(collapsed, overflow=overflow)
    note = f"{len(kept)} of {len(raw)} frames kept"
    if len(collapsed) < len(raw):
        note += f", {len(raw) - len(collapsed)} repeated by recursion or compiler"
    return mark_own(kept, system=system), note


def mark_own(tokens: Sequence[Token], *, system: bool) -> list[Token]:
    """The same tokens with `in_app` set; relaxed to the platform if there is no app frame."""
    lowest = Tier.PLATFORM if system else Tier.APP
    if not any(token.known and token.tier >= lowest for token in tokens):
        lowest = Tier.PLATFORM
    return [token._replace(in_app=token.known and token.tier >= lowest) for token in tokens]


# Extras ---------------------------------------------------------------------------------------


def _first_own(frames: Sequence[Frame], crash: Crash, *, system: bool) -> Token | None:
    tokens = [normalize.tokenize(frame, _language(crash.kind)) for frame in frames]
    return next((token for token in mark_own(tokens, system=system) if token.in_app), None)


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
    first = _first_own(root.frames, crash, system=system)
    if first is not None:
        extras.append(first._replace(text=f"cause at {first.text}"))
    return extras


def _lock_holder(crash: Crash, *, system: bool) -> tuple[str, list[Token]]:
    """Who holds the lock that the first thread waits for: `at FUNCTION` or `by THREAD`, and a token."""
    thread = crash.crashing_thread
    if thread is None or thread.blocked_on is None:
        return "", []
    holder = _thread_of_holder(crash, thread)
    if holder is None:
        return _held_by(thread.blocked_on.holder), []
    first = _first_own(holder.frames, crash, system=system)
    if first is None:
        return _held_by(holder.name), []
    return f"at {normalize.short_name(first.text)}", [
        first._replace(text=f"lock held at {first.text}", in_app=True)
    ]


def _held_by(name: str | None) -> str:
    return f"by {thread_role(name)}" if name and thread_role(name) else ""


def _thread_of_holder(crash: Crash, waiting: Thread) -> Thread | None:
    lock = waiting.blocked_on
    if lock is None:
        return None
    for thread in crash.threads:
        if thread is waiting or thread.process != waiting.process:
            continue
        if lock.held_by_tid is not None and lock.held_by_tid in (thread.runtime_tid, thread.tid):
            return thread
        if lock.held_by_tid is None and lock.holder is not None and lock.holder == thread.name:
            return thread
    return None


_THREAD_NUMBER = re.compile(r"[-_ :#]*\d+")


def thread_role(name: str) -> str:
    """A thread's name without the numbers that tell its instances apart."""
    return _THREAD_NUMBER.sub("", name).strip()


# Type and message -----------------------------------------------------------------------------

_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+\b|\b[0-9a-fA-F]{8,}\b")
_NUMBER = re.compile(r"(?<![A-Za-z_$\d])-?\d+")
_SPACES = re.compile(r"\s+")
_NOTE = re.compile(r"\(.*?\)|\[.*?\]|<.*?>")

# Words of the system's sentence, in the order in which they decide.
_ANR_REASONS = (
    ("no_focused_window", ("no focused window", "does not have a focused window")),
    ("input", ("input dispatching", "keydispatching", "key dispatching", "waited too long")),
    ("broadcast", ("broadcast of", "broadcast", "receiver")),
    ("foreground_service", ("startforegroundservice", "startforeground", "foreground service")),
    ("service", ("executing service", "service")),
    ("provider", ("contentprovider", "content provider", "provider")),
    ("job", ("job",)),
    ("app_start", ("process_start", "process start", "attach")),
)


def anr_reason(subject: str) -> str:
    """Which deadline was missed: `input`, `broadcast`, `service`, …, or `unknown`."""
    lowered = subject.lower()
    for reason, phrases in _ANR_REASONS:
        if any(phrase in lowered for phrase in phrases):
            return reason
    return "unknown"


def plain_type(text: str) -> str:
    """A type or the first words of a reason, without addresses, numbers and notes."""
    plain = _NUMBER.sub("", _ADDRESS.sub("", _NOTE.sub("", text)))
    return _SPACES.sub(" ", plain).strip(" :-,.;")[:_TYPE_LENGTH].strip()


def _type(crash: Crash, speaker: ExceptionInfo | None) -> str:
    if crash.kind is CrashKind.ANR:
        return f"ANR {anr_reason(crash.reason or '')}"
    if crash.kind in (CrashKind.WATCHDOG, *_KERNEL_KINDS):
        return _system_type(crash)
    named = (speaker.type if speaker else crash.exception_type) or crash.signal
    if named is None and crash.kind in _REASON_KINDS:
        named = crash.reason
    return plain_type((named or "").split("\n", 1)[0]) or str(crash.kind)


def _system_type(crash: Crash) -> str:
    text = crash.exception_type or crash.signal or (crash.reason or "").split("\n", 1)[0]
    if crash.kind is CrashKind.WATCHDOG:
        return f"Watchdog {'monitor' if 'monitor' in text.lower() else 'handler'}"
    return kernel_fault(text) or str(crash.kind)


# Sentences of the kernel that name a task, a processor or a time, and what they are about.
_KERNEL_FAULTS = (
    ("task hung", re.compile(r"task .*blocked for more than|task hung|hung_task", re.I)),
    ("soft lockup", re.compile(r"soft lockup", re.I)),
    ("hard lockup", re.compile(r"hard lockup", re.I)),
    ("rcu stall", re.compile(r"rcu.*stall|stall.*rcu", re.I)),
    ("watchdog bite", re.compile(r"watchdog b(?:ite|ark)", re.I)),
)
_KERNEL_HEAD = re.compile(r"^(?:Kernel panic - not syncing|Internal error):\s*", re.IGNORECASE)
_KERNEL_TAIL = re.compile(r"\s+(?:at|in|on|for|by|from|of task)\s.*$|\s*\S+=\S*")


def kernel_fault(reason: str) -> str:
    """The sort of fault in a kernel's sentence; where it happened stands elsewhere."""
    for name, expression in _KERNEL_FAULTS:
        if expression.search(reason):
            return name
    return plain_type(_KERNEL_TAIL.sub("", _KERNEL_HEAD.sub("", reason)))


def _message(crash: Crash, speaker: ExceptionInfo | None) -> str:
    if speaker is not None and speaker.message:
        return speaker.message
    return crash.exception_message or crash.abort_message or ""


_WORD = re.compile(r"[A-Za-z_]{2,}")
_PRIVATE = re.compile(r"\S+@\S+|https?://\S+|(?:/[\w.~=-]+){3,}")


def message_words(message: str) -> tuple[int, ...]:
    """32-bit hashes of the message's words, sorted; addresses, numbers, mail and links dropped."""
    cleaned = _ADDRESS.sub(" ", _PRIVATE.sub(" ", message))
    words = {word.lower() for word in _WORD.findall(cleaned)[:_MOST_WORDS]}
    return tuple(sorted(_word_hash(word) for word in words))


def _word_hash(word: str) -> int:
    return int.from_bytes(blake2b(word.encode(), digest_size=4).digest(), "big")


# Notes ----------------------------------------------------------------------------------------


def _notes(
    crash: Crash, speaker: ExceptionInfo | None, stack_note: str, *, system: bool
) -> Iterable[str]:
    yield f"kind {crash.kind}, type {_type(crash, speaker)}"
    if speaker is not None and speaker is not crash.exceptions[0]:
        yield f"{crash.exceptions[0].type} only wraps it, so its cause {speaker.type} speaks"
    yield stack_note
    if crash.kind in _KERNEL_KINDS:
        yield "own code is the kernel without its reporting and entry functions"
    elif system:
        yield "the program belongs to the system image, so the platform is its own code"
