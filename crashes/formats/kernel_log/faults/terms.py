"""The words in which `faults` says what the kernel reports and where its function is found.

A `Topic` is a word that begins a report (`BUG:`, `Kernel panic`); its `Fault`s are tried in
order on each line of the report. A fault is recognized by its `mark`, may need more `evidence`
further down, and takes its function from the first of its `routes` that leads to one: a route is
a sequence of `Step`s through the lines of the report.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from crashes.formats.kernel_log.own_frame import Pick, first

FUNCTION = r"(?P<function>\w{1,256})[.+]"
AT = r"at: (?:\[<?(?:0x)?[0-9a-f]{4,16}>?\] {1,4})?"
SOURCE = r"(?<![\w./-])[\w./-]{1,256}\.[a-z]{1,4}:[0-9]{1,7}"


class Step(StrEnum):
    """A way to go on through the lines of a report."""

    MARK = "mark"  # the function in the line that begins the report
    STOPPED = "stopped"  # the line that says where the processor was
    TRACE = "trace"  # the heading of a call trace
    STACK = "stack"  # the calls until the next heading


@dataclass(frozen=True, slots=True)
class Passing:
    """Go on behind the first line that matches; a group `function` is a candidate."""

    pattern: re.Pattern[str]


Route = tuple["Step | Passing", ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of report.

    `fatal`: the kernel cannot go on from it, or memory is damaged. `incomplete`: seen only when
    the beginning or the rest is missing. `traceless`: may come without any stack.
    """

    mark: re.Pattern[str]
    title: str
    routes: tuple[Route, ...] = ()
    evidence: tuple[re.Pattern[str], ...] = ()
    passing_over: re.Pattern[str] | None = None
    pick: Pick = first
    fatal: bool = False
    incomplete: bool = False
    traceless: bool = False


@dataclass(frozen=True, slots=True)
class Topic:
    """The reports that begin with one word; marks match where it stands.

    `not_in` are lines of others that hold the word too.

    `ends_another` is False where the kernel says it about a report that has begun already.
    """

    word: str
    faults: tuple[Fault, ...]
    not_in: re.Pattern[str] | None = None
    ends_another: bool = True


def fault(
    mark: str,
    title: str,
    *routes: Route,
    needs: tuple[str, ...] = (),
    over: str | None = None,
    pick: Pick = first,
    fatal: bool = False,
    incomplete: bool = False,
    traceless: bool = False,
) -> Fault:
    """One kind of report, from its expressions as text."""
    return Fault(
        mark=re.compile(mark),
        title=title,
        routes=routes,
        evidence=tuple(re.compile(need) for need in needs),
        passing_over=re.compile(over) if over else None,
        pick=pick,
        fatal=fatal,
        incomplete=incomplete,
        traceless=traceless,
    )


def behind(pattern: str) -> Passing:
    """The step behind the first line that matches."""
    return Passing(re.compile(pattern))


TRACE: Route = (Step.TRACE, Step.STACK)
STOPPED: Route = (Step.STOPPED,)
STOPPED_TRACE: Route = (Step.STOPPED, Step.TRACE, Step.STACK)
MARK_STACK: Route = (Step.MARK, Step.STACK)
# A warning is a trap now: the trace behind its registers is the subject's. It was a call before.
WARNED: tuple[Route, Route] = ((Step.STOPPED, Step.STACK), TRACE)
URB = r"usb_(?:submit_urb|start_wait_urb|bulk_msg|interrupt_msg|control_msg)"
