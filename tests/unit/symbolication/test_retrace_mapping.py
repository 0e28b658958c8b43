"""Reading mappings: the index, the members, the metadata."""

from pathlib import Path

import pytest
from symbolic import ProguardMapper  # type: ignore[attr-defined]

from crashes.symbolication.retrace.errors import MalformedMapping
from crashes.symbolication.retrace.mapping import Mapping
from crashes.symbolication.retrace.members import NO_LINE, ClassMembers, MappedRange, Overload
from crashes.symbolication.retrace.metadata import (
    MapVersion,
    Outline,
    OutlineCallsite,
    ResidualSignature,
    RewriteFrame,
    SourceFile,
    Synthesized,
    VersionMark,
    read_information,
)
from tests.conftest import ROOT

RETRACE = ROOT / "tests/data/retrace"
V2_2 = '# {"id":"com.android.tools.r8.mapping","version":"2.2"}\n'


def mapping(text: str) -> Mapping:
    return Mapping(text.encode())


def members(text: str, name: str = "a") -> ClassMembers:
    found = mapping(text).members(name)
    assert found is not None
    return found


def ranges_at(text: str, line: int) -> list[str]:
    (overload,) = members(text).method("m")
    return [entry.signature.name for entry in overload.at_line(line)]


# --- The file ---------------------------------------------------------------------------------


def test_the_header_says_what_made_the_mapping() -> None:
    facts = Mapping.open(RETRACE / "lines.mapping.txt").facts

    assert facts.map_id == "1f0c2ab"
    assert facts.map_hash == "SHA-256 1f0c2ab8d5e94a6e"
    assert (facts.compiler, facts.compiler_version, facts.min_api) == ("R8", "8.5.35", "24")
    assert facts.versions == ("2.2",)
    assert facts.classes == 4


def test_a_mapping_without_header_says_nothing() -> None:
    facts = mapping("x.Y -> a:\n# pg_map_id: late\n").facts

    assert (facts.map_id, facts.compiler, facts.versions, facts.classes) == (None, None, (), 1)


def test_the_uuid_is_that_of_sentrys_tools() -> None:
    path = RETRACE / "lines.mapping.txt"

    assert Mapping.open(path).uuid() == ProguardMapper.open(str(path)).uuid
    assert Mapping(path.read_bytes()).uuid() == Mapping.open(path).uuid()


@pytest.mark.parametrize(
    "line",
    ["x.Y -> a:", "  x.Y -> a:", "x.Y->a:", "x.Y -> a :", "x.Y -> a:  ", "x.Y -> a: # b", "\ufeffx.Y -> a:"],
)  # fmt: skip
def test_a_class_line_is_found_however_it_is_spaced(line: str) -> None:
    for text in (line, f"{line}\n", f"{line}\r\n", f"{line}\n    int f -> g\n"):
        assert mapping(text).original_class("a") == "x.Y"


@pytest.mark.parametrize("line", ["# x.Y -> a:", "x.Y -> a", "x Y -> a:", "-> a:", "x.Y -> :"])
def test_what_is_no_class_line_maps_no_class(line: str) -> None:
    assert mapping(f"o.K -> k:\n{line}\n").facts.classes == 1


def test_the_later_of_two_classes_with_one_name_counts() -> None:
    text = "x.Y -> a:\n    void one() -> m\nx.Z -> a:\n    void two() -> m\n"

    assert mapping(text).original_class("a") == "x.Z"
    assert members(text).method("m")[0].ranges[0].signature.name == "two"


def test_an_empty_mapping_maps_nothing(tmp_path: Path) -> None:
    (tmp_path / "mapping.txt").touch()

    assert Mapping.open(tmp_path / "mapping.txt").original_class("a") is None
    assert mapping("\n# only a remark\n\n").original_class("a") is None


@pytest.mark.parametrize(
    ("data", "code", "where"),
    [
        (b"# remark\nhello\n", "no_classes", "line 2"),
        (b"\x7fELF\0\0", "not_text", "line 1"),
        (b"{}", "no_classes", "line 1"),
    ],
)
def test_what_is_no_mapping_is_refused(data: bytes, code: str, where: str) -> None:
    with pytest.raises(MalformedMapping) as problem:
        Mapping(data)

    assert (problem.value.code, problem.value.where) == (code, where)


def test_source_files_are_known_by_the_original_class() -> None:
    text = (
        'x.Y -> a:\n# remark\n\n# {"id":"sourceFile","fileName":"Y.kt"}\n    int f -> g\n'
        "x.Z -> b:\n    int f -> g\n"
        '    # {"id":"sourceFile","fileName":"Late.kt"}\nx.Q -> c:\n'
        '# {"id":"sourceFile","fileName":"Q.kt"}'
    )

    known = mapping(text)

    assert known.source_file("x.Y") == "Y.kt"
    assert known.source_file("x.Q") == "Q.kt"
    assert known.source_file("x.Z") is None
    assert known.source_file("a") is None


def test_each_of_several_mappings_in_a_file_has_its_version() -> None:
    synthesized = '      # {"id":"com.android.tools.r8.synthesized"}\n'
    text = (
        f"x.A -> a:\n    void m() -> m\n{synthesized}"
        f"{V2_2}x.B -> b:\n    void m() -> m\n{synthesized}"
        "# {'id':'com.android.tools.r8.mapping','version':'99.0'}\n"
        f"x.C -> c:\n    void m() -> m\n{synthesized}"
    )

    made_up = {name: members(text, name).method("m")[0].member for name in "abc"}

    assert {name: found and found.synthesized for name, found in made_up.items()} == {
        "a": False, "b": True, "c": False,
    }  # fmt: skip
    assert mapping(text).facts.versions == ("2.2", "99.0")


# --- Members ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "lines", "original", "is_caller"),
    [
        ("void x() -> m", (-1, -1), (-1, -1), False),
        ("void x():7 -> m", (-1, -1), (7, 7), True),
        ("void x():7:9 -> m", (-1, -1), (7, 9), False),
        ("1:3:void x() -> m", (1, 3), (-1, -1), False),
        ("1:3:void x():7 -> m", (1, 3), (7, 7), True),
        ("1:3:void x():7:9 -> m", (1, 3), (7, 9), False),
        ("0:0:void x():0:0 -> m", (0, 0), (0, 0), False),
        ("12:0:void x():9:7 -> m", (12, 12), (7, 9), False),
        (" 1 : 3 : void  x ( ) : 7 : 9  ->  m ", (1, 3), (7, 9), False),
        ("1:3:void x():7:9->m\r", (1, 3), (7, 9), False),
    ],
)
def test_every_form_of_range_is_read(
    line: str, lines: tuple[int, int], original: tuple[int, int], is_caller: bool
) -> None:
    (overload,) = members(f"x.Y -> a:\n    {line}\n").method("m")

    (entry,) = overload.ranges
    assert (entry.first, entry.last) == lines
    assert (entry.original_first, entry.original_last) == original
    assert entry.is_caller is is_caller
    assert (entry.signature.type, entry.signature.name) == ("void", "x")


@pytest.mark.parametrize(
    "line",
    ["what", "1:void x() -> m", "5 -> m", "void x( -> m", "void x() -> ", "12345678901:2:void x() -> m"],
)  # fmt: skip
def test_a_strange_line_does_not_harm_its_neighbors(line: str) -> None:
    text = f"x.Y -> a:\n    void one() -> m\n    {line}\n    void two() -> n\n"

    assert members(text).method("m")[0].ranges[0].signature.name == "one"
    assert members(text).method("n")[0].ranges[0].signature.name == "two"


def test_blanks_between_parameters_mean_nothing() -> None:
    text = "x.Y -> a:\n    1:1:void x(int, int):1 -> m\n    2:2:void x(int,int):2 -> m\n"

    (overload,) = members(text).method("m")
    assert [entry.signature.parameters for entry in overload.ranges] == ["(int,int)"] * 2


def test_fields_are_no_methods() -> None:
    assert members("x.Y -> a:\n    int f -> m\n").method("m") == ()


def test_neighbors_with_the_same_range_are_one_stack() -> None:
    text = (
        "x.Y -> a:\n    4:4:void z.Inner.in():1:1 -> m\n    4:4:void mid():2 -> m\n"
        "    4:4:void x():3 -> m\n    5:5:void x():4:4 -> m\n"
    )

    assert ranges_at(text, 4) == ["z.Inner.in", "mid", "x"]
    assert ranges_at(text, 5) == ["x"]
    assert ranges_at(text, 6) == []


def test_the_first_of_overlapping_ranges_wins_however_many_there_are() -> None:
    entries = [MappedRange(signature=None, renamed="m", first=at % 7, last=at * 3 % 50) for at in range(90)]  # type: ignore[arg-type]  # fmt: skip
    entries = [entry for entry in entries if entry.first <= entry.last]
    overload = Overload(None, entries)
    assert len(entries) > 24

    for line in range(60):
        first = next((entry for entry in entries if entry.holds(line)), None)
        found = overload.at_line(line)
        assert (found[0] if found else None) is first


def test_methods_that_share_a_name_stay_apart() -> None:
    text = (
        "x.Y -> a:\n    1:1:void one():1:1 -> m\n    2:2:void one():2:2 -> m\n"
        "    1:1:void two(int):9:9 -> m\n"
    )

    overloads = members(text).method("m")

    assert [len(overload.ranges) for overload in overloads] == [2, 1]
    assert [o.member and o.member.signature.name for o in overloads] == ["one", "two"]


def test_metadata_counts_for_all_ranges_of_its_method() -> None:
    text = (
        f"{V2_2}x.Y -> a:\n    1:1:void x():1:1 -> m\n"
        '      # {"id":"com.android.tools.r8.residualsignature","signature":"(I)V"}\n'
        '      # {"id":"com.android.tools.r8.synthesized"}\n'
        "    2:2:void z.In.n():2:2 -> m\n    2:2:void x():3 -> m\n    4:4:void x():4:4 -> m\n"
    )

    (overload,) = members(text).method("m")

    assert overload.member is not None
    assert overload.member.synthesized
    assert overload.member.residual == ("void", "m", "(int)")
    assert not overload.member.outline


def test_a_signature_of_a_field_does_not_change_a_method() -> None:
    residual = '      # {"id":"com.android.tools.r8.residualsignature","signature":"La;"}\n'
    text = f"{V2_2}x.Y -> a:\n    int f -> b\n{residual}    void x() -> m\n{residual}"

    (overload,) = members(text).method("m")

    assert overload.member is not None
    assert overload.member.residual == ("void", "m", "()")


def test_what_a_frame_without_a_line_may_be() -> None:
    text = "x.Y -> a:\n    1:1:void x():1:1 -> m\n    void x() -> m\n    0:0:void x():9:9 -> m\n"
    (overload,) = members(text).method("m")

    assert [entry.first for entry in overload.without_line()] == [0]
    assert [entry.first for entry in overload.rangeless()] == [NO_LINE]


# --- Metadata ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("comment", "since", "information"),
    [
        ('{"id":"sourceFile","fileName":"A.kt"}', MapVersion.UNKNOWN, SourceFile("A.kt")),
        ("{'id':'sourceFile','fileName':'A\\'s.kt'}", MapVersion.UNKNOWN, SourceFile("A's.kt")),
        ('{"id":"sourceFile","fileName":"\\ud800.kt"}', MapVersion.UNKNOWN, SourceFile("?.kt")),
        ("{ id: sourceFile, fileName: A.kt }", MapVersion.UNKNOWN, SourceFile("A.kt")),
        ("{id=com.android.tools.r8.synthesized}", MapVersion.V1_0, Synthesized()),
        ('{"id":"com.android.tools.r8.outline"}', MapVersion.V2_0, Outline()),
        (
            "{ 'id':'com.android.tools.r8.outlineCallsite', 'positions': { '1': 4, '2': 5 } }",
            MapVersion.V2_0,
            OutlineCallsite({1: 4, 2: 5}),
        ),
        (
            '{"id":"com.android.tools.r8.rewriteFrame","conditions":["throws(La/b;)"],'
            '"actions":["removeInnerFrames(2)","removeInnerFrames(1)"]}',
            MapVersion.V2_0,
            RewriteFrame(("a.b",), 3),
        ),
        (
            '{"id":"com.android.tools.r8.residualsignature","signature":"([[IJLa/b;)[La/c;"}',
            MapVersion.V2_2,
            ResidualSignature("a.c[]", "(int[][],long,a.b)"),
        ),
        (
            '{"id":"com.android.tools.r8.residualsignature","signature":"Z"}',
            MapVersion.V2_2,
            ResidualSignature("boolean", None),
        ),
        (
            '{"id":"com.android.tools.r8.mapping","version":"2.1"}',
            MapVersion.UNKNOWN,
            VersionMark(MapVersion.V2_1, "2.1"),
        ),
        (
            '{"id":"com.android.tools.r8.mapping","version":"7.0"}',
            MapVersion.UNKNOWN,
            VersionMark(MapVersion.UNKNOWN, "7.0"),
        ),
    ],
)
def test_metadata_is_read_from_the_version_that_introduced_it(
    comment: str, since: MapVersion, information: object
) -> None:
    for version in MapVersion:
        assert read_information(comment, version) == (information if version >= since else None)


@pytest.mark.parametrize(
    "comment",
    [
        "", "{", "{}", "[]", "{'id'}", "{'id':'x','id'}", "{" * 5000, '{"id":{"id":"x"}}',
        "{'id':'com.android.tools.r8.brandNew','x':1}",
        "{{id:x}:1}", '{"id":"com.android.tools.r8.outlineCallsite","positions":{"1":Infinity}}',
        '{"id":"sourceFile"}', '{"id":"sourceFile","fileName":["A.kt"]}',
        '{"id":"com.android.tools.r8.outlineCallsite"}',
        '{"id":"com.android.tools.r8.outlineCallsite","positions":{"a":1}}',
        '{"id":"com.android.tools.r8.outlineCallsite","positions":[1]}',
        '{"id":"com.android.tools.r8.rewriteFrame","conditions":["catches(La;)"],"actions":[]}',
        '{"id":"com.android.tools.r8.rewriteFrame","conditions":[],"actions":["explode(1)"]}',
        '{"id":"com.android.tools.r8.rewriteFrame","conditions":[7],"actions":[]}',
        '{"id":"com.android.tools.r8.residualsignature","signature":"(LaV"}',
        '{"id":"com.android.tools.r8.residualsignature","signature":"()"}',
        '{"id":"com.android.tools.r8.residualsignature","signature":7}',
    ],
)  # fmt: skip
def test_what_is_no_known_metadata_is_a_comment(comment: str) -> None:
    assert read_information(comment, MapVersion.V2_2) is None
