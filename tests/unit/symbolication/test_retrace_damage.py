"""Whatever comes as a mapping or a stack, the worst is MalformedMapping."""

import contextlib

from hypothesis import example, given
from hypothesis import strategies as st

from crashes.symbolication.retrace.errors import MalformedMapping
from crashes.symbolication.retrace.retracer import Retracer
from tests.conftest import ROOT

RETRACE = ROOT / "tests/data/retrace"
_MAPPINGS = [path.read_bytes() for path in sorted(RETRACE.glob("*.mapping.txt"))]
_STACKS = [path.read_text() for path in sorted(RETRACE.glob("*.stack.txt"))]
_PIECES = [
    "x.Y", " -> ", "->", "a", "b", ":", "\n", "    ", "void m()", "int f", "1:2:", "0:0:", "5", "9:3",
    "0:65535:", "99999999999", "(", ")", "# ", '{"id":"com.android.tools.r8.mapping","version":"2.2"}',
    '{"id":"com.android.tools.r8.outline"}', '{"id":"com.android.tools.r8.synthesized"}',
    "{'id':'com.android.tools.r8.outlineCallsite','positions':{'1':2}}",
    '{"id":"com.android.tools.r8.rewriteFrame","conditions":[],"actions":["removeInnerFrames(9)"]}',
    '{"id":"com.android.tools.r8.residualsignature","signature":"(I)V"}',
    "x.Y -> a:\n", "    1:2:void m():3:4 -> b\n", "    1:2:void q.R.s():7 -> b\n", "    int f -> b\n",
    "    void m(int) -> b\n", "    0:0:void k():0:0 -> b\n", "\r", "\ufeff", "\0", "é",
]  # fmt: skip
_LINES = ["a: b", "Caused by: a: it", "at a.b(S:1)", "at a.b(S:0)", "at a.b(S)", "at a.b(S:2)", "x"]

written_mappings = st.lists(st.sampled_from(_PIECES), max_size=30).map("".join).map(str.encode)
written_stacks = st.lists(st.sampled_from(_LINES), max_size=12).map("\n".join)


@st.composite
def damaged_mappings(draw: st.DrawFn) -> bytes:
    """One of ours with a part overwritten."""
    data = bytearray(draw(st.sampled_from(_MAPPINGS)))
    at = draw(st.integers(0, len(data) - 1))
    data[at : at + draw(st.integers(0, 40))] = draw(st.binary(max_size=12))
    return bytes(data)


def retrace(mapping: bytes, stack: str) -> None:
    with contextlib.suppress(MalformedMapping):
        retracer = Retracer(mapping)
        for verbose in (False, True):
            plain = retracer.retrace_text(stack, verbose=verbose)
            assert retracer.retrace_text(stack, verbose=verbose) == plain
        assert retracer.facts.classes >= 0


@given(st.binary(max_size=400), written_stacks)
def test_arbitrary_bytes_are_no_mapping(mapping: bytes, stack: str) -> None:
    retrace(mapping, stack)


@given(written_mappings, written_stacks)
@example(b"x.Y -> a:\n    1:1:void m():9 -> b\n    1:1:void m():9 -> b\n", "at a.b(S)")
def test_any_mapping_answers_any_stack(mapping: bytes, stack: str) -> None:
    retrace(mapping, stack)


@given(damaged_mappings(), st.sampled_from(_STACKS))
def test_a_damaged_mapping_still_answers(mapping: bytes, stack: str) -> None:
    retrace(mapping, stack)


@given(st.text(max_size=200))
def test_any_text_is_a_stack(text: str) -> None:
    Retracer(_MAPPINGS[0]).retrace_text(text)


def test_endless_lines_are_read_in_one_go() -> None:
    # Each would take minutes if it were read again from every place in it.
    size = 200_000
    for line in (
        "at " * size, "at a.b(" * size, ")~[" * size, ": " * size, '" ' * size, " " * size + "(",
        "at " + "a." * size + "b(c:1)", "at a.b(" + ")" * size + "x", "a" * size + ": " + "b" * size,
    ):  # fmt: skip
        Retracer(b"").retrace_text(line)


def test_endless_lines_of_a_mapping_are_read_in_one_go() -> None:
    size = 200_000
    for line in (
        ":" * size, ": #" * size, " " * size, "a" * size, " -> " * size, "    int " + " " * size,
        "    1:1:void " + "m" * size, "    void m(" + "int," * size, "# {" + "[" * size,
        "# {'com.android.tools.r8.mapping'" * size, "    void m()" + " " * size + "1",
        "#" + " " * size + "{'id" + "\\'" * size,
    ):  # fmt: skip
        Retracer(b"x.Y -> a:\n" + line.encode() + b"\n").retrace_text("at a.b(S:1)")


def test_many_equal_ranges_are_bounded() -> None:
    mapping = b"x.Y -> a:\n" + b"    1:99999:void m():5 -> b\n" * 20_000

    text = Retracer(mapping).retrace_text("\n".join(f"at a.b(S:{n})" for n in range(1, 50)))

    assert text.count("\n") <= 49 * 1_000
