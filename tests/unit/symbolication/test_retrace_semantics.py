"""What R8's description of mapping files says a stack must become, rule by rule.

Each case is a mapping, a stack and the answer that follows from the description of the format
(versions 1.0 to 2.2) and of retrace; the fields of a mapping are at their smallest.
"""

import pytest

from crashes.symbolication.retrace.retracer import Retracer

VERSION = '# { id: "com.android.tools.r8.mapping", version: "%s" }\n'
PLAIN = """\
some.Plain -> a:
    1:3:void run():11:13 -> b
some.Problem -> p:
"""
INLINED = """\
some.Outer -> a:
    1:1:int some.Inner.deep():5:5 -> b
    1:1:int some.Middle.between():6 -> b
    1:1:void run():7 -> b
"""
REWRITE = (
    VERSION % "2.0"
    + """\
some.Class -> a:
    4:4:void other.Class.inlinee():23:23 -> a
    4:4:void caller(other.Class):7 -> a
# {"id":"com.android.tools.r8.rewriteFrame","conditions":["throws(Ljava/lang/NullPointerException;)"],"actions":["removeInnerFrames(1)"]}
"""
)
TWO_CONDITIONS = (
    VERSION % "2.0"
    + """\
some.Class -> a:
    4:4:void other.Class.inlinee():23:23 -> a
    4:4:void caller(other.Class):7 -> a
# {"id":"com.android.tools.r8.rewriteFrame","conditions":["throws(Lsome/A;)","throws(Lsome/B;)"],"actions":["removeInnerFrames(1)"]}
"""
)
LAMBDA = (
    VERSION % "1.0"
    + """\
some.Main$$ExternalSyntheticLambda0 -> a.x:
# {"id":"com.android.tools.r8.synthesized"}
    1:1:void some.Main.lambda$run$0():42:42 -> run
    1:1:void run():0 -> run
# {"id":"com.android.tools.r8.synthesized"}
"""
)
OUTLINE = (
    VERSION % "2.0"
    + """\
outline.Class -> a:
    1:2:int outline():0 -> a
# {"id":"com.android.tools.r8.outline"}
some.Class -> b:
    4:4:int caller(int):98:98 -> s
    5:5:int caller(int):100:100 -> s
    27:27:int caller(int):0:0 -> s
# {"id":"com.android.tools.r8.outlineCallsite","positions":{"1":4,"2":5}}
"""
)
RESIDUAL = (
    VERSION % "2.2"
    + """\
some.Class -> a:
    1:1:void first(some.Class):3:3 -> m
# {"id":"com.android.tools.r8.residualsignature","signature":"(I)V"}
    2:2:void second(int):4:4 -> m
"""
)
FUTURE = (
    VERSION % "99.9"
    + """\
some.Class -> a:
    1:1:void run():3:3 -> b
# {"id":"com.example.not.invented.yet","answer":42}
"""
)
SOURCES = """\
some.KotlinKt -> a:
    1:1:void run():3:3 -> b
some.Named -> c:
# {"id":"sourceFile","fileName":"Other.kt"}
    1:1:void run():3:3 -> b
some.Outer$Inner -> d:
    1:1:void run():3:3 -> b
"""
LINES = (
    VERSION % "2.2"
    + """\
some.Class -> a:
    0:65535:void every():3:3 -> b
    void unknown() -> c
    void single():5 -> d
    void span():7:9 -> e
    5:5:void first():1:1 -> f
    6:6:void second(int):2:2 -> f
    12:0:void old():8:8 -> g
"""
)
NAMES = """\
some.-$$Lambda$Main$Abc -> é.ñ:
    1:1:void run$lambda$0():3:3 -> ü
some.Outer$Inner -> a$b:
    1:1:void <init>():4:4 -> <init>
    2:2:void <clinit>():5:5 -> <clinit>
"""

CASES = {
    "a line within its range": (PLAIN, "at a.b(SourceFile:2)", ["at some.Plain.run(Plain.java:12)"]),
    "a module": (PLAIN, "at java.base/a.b(S:1)", ["at java.base/some.Plain.run(Plain.java:11)"]),
    "a class loader": (PLAIN, "at app//a.b(S:1)", ["at app//some.Plain.run(Plain.java:11)"]),
    "both": (PLAIN, "at app/m@1.2/a.b(S:1)", ["at app/m@1.2/some.Plain.run(Plain.java:11)"]),
    "a native method": (PLAIN, "at a.b(Native Method)", ["at some.Plain.run(Native Method)"]),
    "no file": (PLAIN, "at a.b(:1)", ["at some.Plain.run(Plain.java:11)"]),
    "an unknown file": (PLAIN, "at a.b(Unknown Source:3)", ["at some.Plain.run(Plain.java:13)"]),
    "a position in code": (PLAIN, "at a.b(PC:2)", ["at some.Plain.run(Plain.java:12)"]),
    "an unmapped class": (PLAIN, "at z.z(S:1)", ["at z.z(S:1)"]),
    "an unmapped method": (PLAIN, "at a.z(S:1)", ["at some.Plain.z(Plain.java:1)"]),
    "no stack at all": (PLAIN, "--- a.b (nothing", ["--- a.b (nothing"]),
    "a cause": (PLAIN, "Caused by: p: no a.b", ["Caused by: some.Problem: no a.b"]),
    "a suppressed one": (PLAIN, "Suppressed: p: m", ["Suppressed: some.Problem: m"]),
    "a circle": (PLAIN, "[CIRCULAR REFERENCE: p]", ["[CIRCULAR REFERENCE: some.Problem]"]),
    "frames left out": (PLAIN, "... 12 more", ["... 12 more"]),
    "inlined calls": (
        INLINED,
        "at a.b(S:1)",
        [
            "at some.Inner.deep(Inner.java:5)",
            "at some.Middle.between(Middle.java:6)",
            "at some.Outer.run(Outer.java:7)",
        ],
    ),
    "a null check that was inlined": (
        REWRITE,
        "java.lang.NullPointerException\nat a.a(:4)\nat a.a(:4)",
        [
            "java.lang.NullPointerException",
            "at some.Class.caller(Class.java:7)",
            "at other.Class.inlinee(Class.java:23)",
            "at some.Class.caller(Class.java:7)",
        ],
    ),
    "another exception": (
        REWRITE,
        "java.lang.Error\nat a.a(:4)",
        [
            "java.lang.Error",
            "at other.Class.inlinee(Class.java:23)",
            "at some.Class.caller(Class.java:7)",
        ],
    ),
    "conditions that cannot both hold": (
        TWO_CONDITIONS,
        "some.A\nat a.a(:4)",
        [
            "some.A",
            "at other.Class.inlinee(Class.java:23)",
            "at some.Class.caller(Class.java:7)",
        ],
    ),
    "a lambda's own class": (
        LAMBDA, "at a.x.run(S:1)", ["at some.Main.lambda$run$0(Main.java:42)"],
    ),
    "an outline's first line": (
        OUTLINE, "at a.a(:1)\nat b.s(:27)", ["at some.Class.caller(Class.java:98)"],
    ),
    "an outline's second line": (
        OUTLINE, "at a.a(:2)\nat b.s(:27)", ["at some.Class.caller(Class.java:100)"],
    ),
    "methods of one name, apart by line": (
        RESIDUAL,
        "at a.m(S:1)\nat a.m(S:2)",
        ["at some.Class.first(Class.java:3)", "at some.Class.second(Class.java:4)"],
    ),
    "a mapping newer than us": (FUTURE, "at a.b(S:1)", ["at some.Class.run(Class.java:3)"]),
    "a Kotlin facade": (SOURCES, "at a.b(S:1)", ["at some.KotlinKt.run(Kotlin.kt:3)"]),
    "a named file": (SOURCES, "at c.b(S:1)", ["at some.Named.run(Other.kt:3)"]),
    "an inner class": (SOURCES, "at d.b(S:1)", ["at some.Outer$Inner.run(Outer.java:3)"]),
    "a Kotlin file": (SOURCES, "at d.b(S.kt:1)", ["at some.Outer$Inner.run(Outer.kt:3)"]),
    "one line for all": (
        LINES,
        "at a.b(S:77)\nat a.b(S)",
        ["at some.Class.every(Class.java:3)", "at some.Class.every(Class.java:3)"],
    ),
    "no line in the mapping": (LINES, "at a.c(S:4)", ["at some.Class.unknown(Class.java:4)"]),
    "one line without a range": (LINES, "at a.d(S:4)", ["at some.Class.single(Class.java:5)"]),
    "several lines without a range": (
        LINES,
        "at a.e(S:4)",
        [
            "at some.Class.span(Class.java:7)",
            "<OR> at some.Class.span(Class.java:8)",
            "<OR> at some.Class.span(Class.java:9)",
        ],
    ),
    "no line, two methods": (
        LINES, "at a.f(S)", ["at some.Class.first(Class.java)", "<OR> at some.Class.second(Class.java)"],
    ),
    "a range as old versions wrote it": (LINES, "at a.g(S:12)", ["at some.Class.old(Class.java:8)"]),
    "names that are not ASCII": (
        NAMES, "at é.ñ.ü(S:1)", ["at some.-$$Lambda$Main$Abc.run$lambda$0(-.java:3)"],
    ),
    "constructors": (
        NAMES,
        "at a$b.<init>(S:1)\nat a$b.<clinit>(S:2)",
        ["at some.Outer$Inner.<init>(Outer.java:4)", "at some.Outer$Inner.<clinit>(Outer.java:5)"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("mapping", "stack", "answer"), CASES.values(), ids=CASES.keys())
def test_a_rule_holds(mapping: str, stack: str, answer: list[str]) -> None:
    assert Retracer(mapping.encode()).retrace_text(stack).splitlines() == answer


def test_indentation_and_what_loggers_put_before_it_stay() -> None:
    retracer = Retracer(PLAIN.encode())

    text = retracer.retrace_text("\t  at a.b(S:1)\r\nE/Tag( 12): \tat a.b(S:2) ~[x.jar:1]\n")

    assert text == (
        "\t  at some.Plain.run(Plain.java:11)\n"
        "E/Tag( 12): \tat some.Plain.run(Plain.java:12) ~[x.jar:1]\n"
    )
