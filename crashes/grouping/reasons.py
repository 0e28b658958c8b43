"""Sentences of the system, reduced to what they say of every device alike.

An ANR's subject names a window, the kernel's a processor, the low-memory killer's a size: none of
that tells one cause from another. What is left is a type. Message text itself never leaves here:
words are hashes.
"""

import re
from hashlib import blake2b

_MOST_WORDS = 48
_TYPE_LENGTH = 100
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


# The low-memory killers' sentences, with a state for every range of the killer's score.
_KILLED = (
    re.compile(r"Low on memory -- (?P<name>[\w.:/-]+) (?P<state>[a-z][a-z +]*?) -?\d+kB", re.I),
    re.compile(
        r"Kill(?:ed|ing)?(?: process \d+)?[ :]+[\"'(]?(?P<name>[\w.:/-]+)[\"')]?"
        r"(?:.*?oom_(?:score_)?adj[ :=]*(?P<score>-?\d+))?",
        re.I,
    ),
)
_KILL_STATES = (
    (-1, "system"),
    (0, "foreground"),
    (199, "visible"),
    (299, "perceptible"),
    (599, "service"),
    (799, "home or previous"),
)


def killed(reason: str) -> tuple[str, str]:
    """Process and state of a sentence about a process that was killed for memory; else empty."""
    for expression in _KILLED:
        found = expression.search(reason)
        if found:
            groups = found.groupdict()
            score = groups.get("score")
            return found["name"], groups.get("state") or (kill_state(int(score)) if score else "")
    return "", ""


def kill_state(score: int) -> str:
    """What the killer's score (`oom_score_adj`, -1000 to 1000) says about a process."""
    return next((state for most, state in _KILL_STATES if score <= most), "cached")


_WORD = re.compile(r"[A-Za-z_]{2,}")
_PRIVATE = re.compile(r"\S+@\S+|https?://\S+|(?:/[\w.~=-]+){3,}")


def message_words(message: str) -> tuple[int, ...]:
    """32-bit hashes of the message's words, sorted; addresses, numbers, mail and links dropped."""
    cleaned = _ADDRESS.sub(" ", _PRIVATE.sub(" ", message))
    words = {word.lower() for word in _WORD.findall(cleaned)[:_MOST_WORDS]}
    return tuple(sorted(_word_hash(word) for word in words))


def _word_hash(word: str) -> int:
    return int.from_bytes(blake2b(word.encode(), digest_size=4).digest(), "big")


_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
_UUID = re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")


def error_key(text: str) -> str:
    """A hash of the first line of an error's text; ids, numbers, links, mail and quotes dropped."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    plain = plain_type(_UUID.sub("", _QUOTED.sub("", _PRIVATE.sub("", first))))
    return blake2b(plain.lower().encode(), digest_size=8).hexdigest() if plain else ""
