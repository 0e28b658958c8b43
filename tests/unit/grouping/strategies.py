"""Any input, any statistics, and the same crash twice with other accidents."""

from hypothesis import strategies as st

from crashes.grouping.mechanisms import v1
from crashes.grouping.values import FrameStats, GroupingInput
from crashes.stack import Crash, CrashKind, Frame, Thread

TOKENS = ["a", "b", "c", "d", "x::step", "y::step"]


@st.composite
def inputs(draw: st.DrawFn) -> GroupingInput:
    """Any input: own and foreign frames, repeated ones, with or without a message."""
    frames = draw(
        st.lists(
            st.tuples(
                st.sampled_from(TOKENS), st.sampled_from(["", "H", "file x/k.c"]), st.booleans()
            ),
            max_size=12,
        )
    )
    return GroupingInput(
        mechanism="v1",
        scope="managed/com.example",
        signature="x",
        exact_key=draw(st.text(max_size=4)),
        exception_type=draw(st.sampled_from(["T", "U"])),
        tokens=tuple(token for token, _, _ in frames),
        homes=tuple(home for _, home, _ in frames),
        in_app=tuple(own for _, _, own in frames),
        words=tuple(sorted(draw(st.sets(st.integers(0, 6))))),
        culprit=draw(st.sampled_from(["", "lock held at a", "lock held at b"])),
        explanation=("line",),
    )


stats = st.builds(
    FrameStats,
    total=st.integers(20, 90),
    frequency=st.dictionaries(st.sampled_from([v1.term(x) for x in TOKENS]), st.integers(1, 20)),
)


@st.composite
def noisy_pairs(draw: st.DrawFn) -> tuple[Crash, Crash]:
    """The same native crash twice: other addresses, pids, times, lines and install paths."""
    names = draw(st.lists(st.sampled_from(["ns::f()", "ns::g(int)", "abort", None]), max_size=8))
    return _noisy(draw, names), _noisy(draw, names)


def _noisy(draw: st.DrawFn, names: list[str | None]) -> Crash:
    number = st.integers(0, 2**48)
    frames = tuple(
        Frame(
            index,
            function=name,
            module=f"/data/app/~~{draw(number):x}==/com.example/lib/arm64/libgame.so",
            address=draw(number),
            line=draw(number),
            function_offset=draw(number),
            build_id=f"{draw(number):x}",
        )
        for index, name in enumerate(names)
    )
    return Crash(
        kind=CrashKind.NATIVE_CRASH,
        package="com.example",
        pid=draw(number),
        tid=draw(number),
        timestamp=str(draw(number)),
        signal="SIGSEGV",
        fault_addr=draw(number),
        abort_message=f"object {draw(number):#x} is gone",
        version_code=draw(number),
        threads=(Thread(name="t", tid=draw(number), crashing=True, frames=frames),),
    )
