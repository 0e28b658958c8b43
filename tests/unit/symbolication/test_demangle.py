"""Names as people write them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crashes.symbolication.demangle import demangle, shorten
from crashes.symbolication.rust_names import NotRust, rust_name
from tests.conftest import require_program
from tests.unit.symbolication.conftest import Toolchain, run


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("_ZN7android7RefBase9incStrongEPKv", "android::RefBase::incStrong(void const*)"),
        ("_ZN3art6ThreadD2Ev", "art::Thread::~Thread()"),
        ("_ZNSt3mapIiSt6vectorIiSaIiEEE2atEi", "std::map<int, std::vector<int, std::allocator<int>>>::at(int)"),
        ("_ZN1ScvbEv", "S::operator bool()"),
        ("_ZN1SgtILi3EEEbRKS_", "bool S::operator><3>(S const&)"),
        ("_Z1fDn", "f(std::nullptr_t)"),
        ("_ZN12_GLOBAL__N_13runEv", "(anonymous namespace)::run()"),
        ("_ZZ4mainENKUliE_clEi", "main::'lambda'(int)::operator()(int) const"),
        ("_ZZ4mainENKUliE0_clEi", "main::'lambda0'(int)::operator()(int) const"),
        ("_ZZZ4mainENKUlvE_clEvENKUlT_E_clIiEEDaS0_", "auto main::'lambda'()::operator()() const::'lambda'(auto)::operator()<int>(int) const"),
    ],
)  # fmt: skip
def test_cxx_names_are_spelled_as_llvm_spells_them(raw: str, name: str) -> None:
    assert demangle(raw) == name


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("_ZN3foo3barEv.cold", "foo::bar()"),
        ("_ZN3foo3barEv.part.0.isra.0", "foo::bar()"),
        ("_ZN3foo3barEv.llvm.12345678901234567890", "foo::bar()"),
        ("_ZN3foo3barEv.__uniq.27371.cfi_jt", "foo::bar()"),
        ("parse_header.constprop.1", "parse_header"),
        ("static_name.lto_priv.12", "static_name"),
        ("counter.4711", "counter"),
        ("memcpy@@LIBC", "memcpy"),
        ("memcpy@LIBC_R", "memcpy"),
    ],
)
def test_how_a_function_was_compiled_is_no_part_of_its_name(raw: str, name: str) -> None:
    assert demangle(raw) == name


def test_a_stub_is_not_yet_the_function() -> None:
    assert demangle("_ZN3foo3barEv@plt") == "foo::bar()@plt"
    assert demangle("malloc@plt") == "malloc@plt"


@pytest.mark.parametrize(
    "name", ["main", "__libc_init", "", ".cold", "_Z", "_ZN", "_R", "_ZN3foo", "art_quick_to_interpreter_bridge", "Java_com_example_Native_run"]
)  # fmt: skip
def test_what_is_not_mangled_stays(name: str) -> None:
    assert demangle(name) == name


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt"),
        (
            "_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar17h930b740aa94f1d3aE",
            "<Test + 'static as foo::Bar<Test>>::bar",
        ),
        ("_ZN13$RF$$BP$$LP$x4call17hffffffffffffffffE.llvm.77", "&*(x::call"),
    ],
)
def test_legacy_rust_names_lose_their_hash(raw: str, name: str) -> None:
    assert demangle(raw) == name


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("_RNvCs1234_7mycrate3foo", "mycrate::foo"),
        ("_RNvMs_C5crateNtB4_4Type3new", "<crate::Type>::new"),
        ("_RNvXCs1_5crateNtB2_1TNtNtC4core3fmt5Debug3fmt", "<crate::T as core::fmt::Debug>::fmt"),
        ("_RINvC5crate3maphRSeE", "crate::map::<u8, &[str]>"),
        ("_RNCNvC5crate4mains_0", "crate::main::{closure#1}"),
        ("_RNSNvC5crate4call4once", "crate::call::{shim:once#0}"),
        ("_RINvC5crate1fKj10_E", "crate::f::<16>"),
        ("_RINvC5crate1fKinff_Kb1_Kc41_Kp_E", None),
        ("_RINvC5crate1fKinff_Kb1_Kc41_KpE", "crate::f::<-255, true, 'A', _>"),
        ("_RINvC5crate1fFG_RL0_hEuE", "crate::f::<for<'a> fn(&'a u8)>"),
        ("_RINvC5crate1fFUKCaElE", 'crate::f::<unsafe extern "C" fn(i8) -> i32>'),
        ("_RINvC5crate1fDNtC4core4Iterp4ItemlEL_E", "crate::f::<dyn core::Iter<Item = i32>>"),
        ("_RINvC5crate1fDINtC4core2FnTlEEp6OutputbEL_E", "crate::f::<dyn core::Fn<(i32,), Output = bool>>"),
        ("_RINvC5crate1fTlbETlEAhj4_OmPmQmE", "crate::f::<(i32, bool), (i32,), [u8; 4], *mut u32, *const u32, &mut u32>"),
        ("_RINvC5crate1fTThhEEE", "crate::f::<((u8, u8),)>"),
        ("_RNvC5crateu8gdel_5qa", "crate::gödel"),
        ("__RNvC5crate3foo", "crate::foo"),
        ("_RNvC5crate3foo.llvm.1234", "crate::foo"),
        ("_RNvYNtC5crate1TNtC4core1A1f", "<crate::T as core::A>::f"),
    ],
)  # fmt: skip
def test_rust_v0_names_follow_the_grammar(raw: str, name: str | None) -> None:
    assert demangle(raw) == (raw if name is None else name)


@pytest.mark.parametrize(
    "raw", ["_RNvB_3foo", "_RNvC5crate", "_RNvC9crate3foo", "_RINvC5crate1fL0_E", "_RC" + "s" * 99]
)
def test_broken_rust_names_are_refused(raw: str) -> None:
    with pytest.raises(NotRust):
        rust_name(raw)


def test_a_rust_name_that_refers_to_itself_without_end_is_refused() -> None:
    # Each tuple holds the one before twice: thirty levels would be a billion parts.
    raw, last = "_RINvC5crate1f", "h"
    for _ in range(30):
        at = len(raw) - 2
        raw += f"T{last}{last}E"
        last = f"B{_base_62(at)}"

    with pytest.raises(NotRust):
        rust_name(raw + "E")


def _base_62(value: int) -> str:
    digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    value, text = value - 1, "_"
    while value >= 0:
        text = digits[value % 62] + text
        value = value // 62 if value >= 62 else -1
    return text


def test_names_of_a_real_library_agree_with_llvm(host: Toolchain) -> None:
    filt = require_program("llvm-cxxfilt", "llvm-cxxfilt", "llvm-cxxfilt-19", "llvm-cxxfilt-16")
    raw = [name for name in host.symbols(host.library()) if name.startswith("_Z")]
    raw = [name for name in raw if "." not in name and not name.startswith("_ZZ")]

    theirs = [run(filt, name).strip().replace("> >", ">>").replace("> >", ">>") for name in raw]

    assert len(raw) > 15
    assert [demangle(name) for name in raw] == theirs


@given(
    st.text(max_size=60), st.sampled_from(["", "_Z", "_ZN", "_R", "_RNv", "_RINvC1aD", "_ZN1a17h"])
)
@example("\0", "_ZN")
@example("\ud800", "_Z")
def test_demangling_never_raises(rest: str, start: str) -> None:
    assert isinstance(demangle(start + rest), str)


# --- shorten --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("std::map<std::string, std::vector<int>>::at(int)", "std::map<…>::at(int)"),
        ("std::vector<int>::push_back(int)", "std::vector<int>::push_back(int)"),
        ("operator<<(std::ostream<char, std::char_traits<char>>&, int)", "operator<<(std::ostream<…>&, int)"),
        ("A::operator-><int>() const", "A::operator-><int>() const"),
        ("A<int, int, int, int, int, int, int>::operator<=>(A const&)", "A<…>::operator<=>(A const&)"),
        ("<core::iter::Take<I> as core::iter::Iterator>::next", "<core::iter::Take<I> as core::iter::Iterator>::next"),
        ("<a::Take<b::VeryLongTypeName, c::Another> as d::Iter>::next", "<a::Take<…> as d::Iter>::next"),
        ("a::f::<b::VeryLongTypeName, c::Another>", "a::f::<…>"),
        ("unbalanced<int", "unbalanced<int"),
        ("main", "main"),
        ("", ""),
    ],
)  # fmt: skip
def test_long_argument_lists_are_left_out(name: str, short: str) -> None:
    assert shorten(name) == short


@given(st.text(alphabet="ab<>:,-= operato", max_size=60))
def test_shortening_never_raises_or_lengthens(name: str) -> None:
    assert len(shorten(name, 1)) <= len(name)
