"""The readable name of a crash: what happened, and in which function of whose.

    NullPointerException at SettingsFragment.onResume
    SIGSEGV in libcamera.so: Pipeline::process
    ANR (input) in SyncManager.await, lock held at Database.write
    KASAN: use-after-free Read in p9_poll_workfn
    Low memory kill (cached) of com.example

It is made of names only: types, functions, modules. Message text, addresses, ids and numbers that
change from build to build have no place in it, so equal own top frames give equal signatures.
"""

from crashes.grouping.blocked import BINDER_MARK, LOCK_MARK
from crashes.grouping.evidence import Evidence
from crashes.grouping.normalize import Token, short_name
from crashes.stack import CrashKind

LONGEST = 200
_EXTRA_MARKS = ("cause ", LOCK_MARK, BINDER_MARK, "text ")
_MANAGED_KINDS = frozenset(
    {CrashKind.JAVA_CRASH, CrashKind.WTF, CrashKind.STRICT_MODE, CrashKind.ERROR}
)


def describe(evidence: Evidence) -> str:
    """The signature, at most 200 characters."""
    top = _top(evidence)
    if evidence.kind in (CrashKind.ANR, CrashKind.WATCHDOG):
        text = _blocked(evidence, top)
    elif evidence.victim:
        text = f"{evidence.type} of {evidence.victim}"
    elif evidence.kind in _MANAGED_KINDS and not evidence.is_kernel:
        text = f"{_short_type(evidence.type)}{_at(top)}"
    elif evidence.kind is CrashKind.NATIVE_CRASH:
        text = f"{_short_type(evidence.type)}{_in_module(top)}"
    else:
        text = f"{evidence.type}{_in(top)}"
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _top(evidence: Evidence) -> Token | None:
    """The innermost own frame, else the innermost named one, else the innermost."""
    frames = [token for token in evidence.tokens if not token.text.startswith(_EXTRA_MARKS)]
    own = next((token for token in frames if token.in_app), None)
    named = next((token for token in frames if token.known), None)
    return own or named or next(iter(frames), None)


def _short_type(name: str) -> str:
    plain = " " not in name and "::" not in name
    return name.rpartition(".")[2].rpartition("$")[2] if plain else name


def _function(token: Token) -> str:
    return short_name(token.text) if token.known else token.module or "unknown code"


def _at(top: Token | None) -> str:
    return f" at {_function(top)}" if top else ""


def _in(top: Token | None) -> str:
    return f" in {_function(top)}" if top else ""


def _in_module(top: Token | None) -> str:
    if top is None:
        return ""
    if top.module and top.known:
        return f" in {top.module}: {_function(top)}"
    return f" in {_function(top)}"


def _blocked(evidence: Evidence, top: Token | None) -> str:
    what, _, reason = evidence.type.partition(" ")
    held = f", {evidence.culprit.phrase}" if evidence.culprit.phrase else ""
    return f"{what} ({reason.replace('_', ' ')}){_in(top)}{held}"
