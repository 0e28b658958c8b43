"""Names lose what compilers and runtimes add, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.grouping import normalize
from crashes.grouping.normalize import Language, Tier, Token
from crashes.stack import Frame, FrameStatus

NATIVE = {
    "main": "main",
    "decode.isra.3": "decode",
    "decode.constprop.0.cold.7": "decode",
    "decode.part.2.llvm.1234567890": "decode",
    "decode [clone .cold]": "decode",
    "decode(int) (.isra.0)": "decode",
    "decode.lto_priv.0": "decode",
    "decode.cfi_jt": "decode",
    "decode.12": "decode",
    "decode+0x1c/0x80": "decode",
    "memcpy@@GLIBC_2.14": "memcpy",
    "read@plt": "read",
    "fuzz_decode.c": "fuzz_decode.c",
    "radio::Link::close(Ctx&)::{lambda(int)#2}::operator()(int) const": "radio::Link::close",
    "radio::Link::close(Ctx&)::$_113::operator()(int) const": "radio::Link::close",
    "radio::Link::close(Ctx&)::'lambda0'(int)::operator()(int) const": "radio::Link::close",
    "radio::Link::close()::{lambda()#1}::_FUN()": "radio::Link::close",
    "radio::Link::close(int)::{lambda()#1}::operator()() const::{lambda()#2}::operator()() const": (
        "radio::Link::close"
    ),
    "void std::sort<int*, Less>(int*, int*, Less)": "std::sort",
    "std::enable_if<(1 > 0), void>::type ns::run<void, int>(int&&)": "ns::run",
    "std::function<void (Ctx&)>::operator()(Ctx&) const": "std::function::operator()",
    "std::__1::basic_string<char>::append(char const*)": "std::basic_string::append",
    "std::__ndk1::vector<int>::at(unsigned long) &": "std::vector::at",
    "std::optional<int>::value() &&": "std::optional::value",
    "ns::f[abi:cxx11](int)": "ns::f",
    "(anonymous namespace)::f(int)": "{anon}::f",
    "a::(anonymous namespace)::B<int>::f(int)": "a::{anon}::B::f",
    "non-virtual thunk to A::b(int)": "A::b",
    "operator new(unsigned long)": "operator new",
    "operator delete[](void*)": "operator delete[]",
    "Out::operator<<(Stream&)": "Out::operator<<",
    "bool operator< <int>(A<int> const&, A<int> const&)": "operator<",
    "A::operator->() const": "A::operator->",
    "A::operator bool() const": "A::operator bool",
    "A::operator std::string<char>() const": "A::operator std::string",
    "A::~A()": "A::~A",
    "decltype(auto) ns::f<int>(int)": "ns::f",
    "_ZN7android6Looper9pollInnerEi": "android::Looper::pollInner",
    "_ZL15__pthread_startPv": "__pthread_start",
    "_Z3fooi.cold": "foo",
    "_ZNotMangledAtAll": "_ZNotMangledAtAll",
    "core::ptr::drop_in_place<alloc::vec::Vec<u8>>::h0123456789abcdef": "core::ptr::drop_in_place",
    "app::run::{{closure}}::h0123456789abcdef": "app::run",
    "<alloc::vec::Vec<T> as core::ops::Drop>::drop": "alloc::vec::Vec::drop",
    "_$LT$alloc..vec..Vec$LT$T$GT$$u20$as$u20$core..ops..Drop$GT$::drop::h0123456789abcdef": (
        "alloc::vec::Vec::drop"
    ),
    "__work_block_invoke_2": "__work",
    "-[View layout:]": "-[View layout:]",
    "Java_com_example_Codec_decode": "Java_com_example_Codec_decode",
}

MANAGED = {
    "com.example.Feed.load": "com.example.Feed.load",
    "com.example.Feed.load(Feed.java:12)": "com.example.Feed.load",
    "com.example.Feed.lambda$load$3": "com.example.Feed.load",
    "com.example.Feed.lambda$new$0": "com.example.Feed.<init>",
    "com.example.Feed.lambda$static$12": "com.example.Feed.<clinit>",
    "com.example.Feed.load$lambda$3": "com.example.Feed.load",
    "com.example.Feed.load$lambda-3$lambda-2": "com.example.Feed.load",
    "com.example.Feed$2.run": "com.example.Feed$.run",
    "com.example.Feed$Row$11.run": "com.example.Feed$Row$.run",
    "com.example.Feed$load$1.invokeSuspend": "com.example.Feed$load$.invokeSuspend",
    "com.example.Feed$$ExternalSyntheticLambda3.run": (
        "com.example.Feed$$ExternalSyntheticLambda.run"
    ),
    "com.example.Feed.$r8$lambda$AbC-de_f": "com.example.Feed.$r8$lambda",
    "com.example.-$$Lambda$Feed$AbC-12_x.run": "com.example.Feed$$Lambda.run",
    "com.example.Feed$$Lambda$14/0x0000000800c9d840.run": "com.example.Feed$$Lambda.run",
    "com.example.Feed.access$100": "com.example.Feed.access$",
    "com.example.Feed.-$$Nest$fgetmRows": "com.example.Feed.$$Nest$",
    "com.sun.proxy.$Proxy7.save": "com.sun.proxy.$Proxy.save",
    "sun.reflect.GeneratedMethodAccessor412.invoke": "sun.reflect.GeneratedMethodAccessor.invoke",
    "com.example.Store$$EnhancerByCGLIB$$9a91cf77.save": "com.example.Store$$EnhancerByCGLIB$$.save",
    "com.example.V2Client.call": "com.example.V2Client.call",
    "a.b.c": "a.b.c",
}

KERNEL = {
    "p9_poll_workfn": "p9_poll_workfn",
    "kasan_report.cold.7": "kasan_report",
    "do_ioctl+0x1a/0x30": "do_ioctl",
    "__x64_sys_ioctl": "sys_ioctl",
    "__arm64_sys_ioctl": "sys_ioctl",
    "__se_sys_ioctl": "sys_ioctl",
    "__do_sys_ioctl": "sys_ioctl",
    "SyS_ioctl": "sys_ioctl",
    "SYSC_ioctl": "sys_ioctl",
    "ksys_ioctl": "sys_ioctl",
}

MODULES = {
    "/data/app/~~aB3==/com.example-x9==/lib/arm64/libgame.so": "libgame.so",
    "/system/app/Web/Web.apk!libweb.so (offset 0x175000)": "libweb.so",
    "libstdc++.so.6.0.30": "libstdc++.so",
    "/memfd:jit-cache (deleted)": "jit-cache",
    "[anon:dalvik-jit-code-cache]": "dalvik-jit-code-cache",
    "<anonymous:7f12345678>": "anonymous",
    "[vdso]": "vdso",
}


@pytest.mark.parametrize(("raw", "name"), NATIVE.items())
def test_a_native_name_loses_what_the_compiler_added(raw, name):
    assert normalize.native_name(raw) == name


@pytest.mark.parametrize("name", sorted(set(NATIVE.values())))
def test_a_clean_native_name_stays_as_it_is(name):
    assert normalize.native_name(name) == name


@pytest.mark.parametrize(("raw", "name"), MANAGED.items())
def test_a_managed_name_loses_generated_numbers(raw, name):
    assert normalize.managed_name(raw) == name


@pytest.mark.parametrize(("raw", "name"), KERNEL.items())
def test_a_kernel_name_loses_clone_marks_and_system_call_wrappers(raw, name):
    assert normalize.kernel_name(raw) == name


@pytest.mark.parametrize(("path", "base"), MODULES.items())
def test_a_module_is_known_by_its_base_name(path, base):
    assert normalize.module_base(path) == base


@pytest.mark.parametrize(
    ("raw", "language"),
    [
        ("com.example.Feed$$ExternalSyntheticLambda3.run", Tier.RUNTIME),
        ("com.example.Feed.$r8$lambda$AbC", Tier.RUNTIME),
        ("com.example.Feed.access$100", Tier.RUNTIME),
        ("java.util.ArrayList.get", Tier.RUNTIME),
        ("android.os.Looper.loop", Tier.RUNTIME),
        ("android.app.Activity.performResume", Tier.PLATFORM),
        ("com.example.Feed.lambda$load$3", Tier.APP),
    ],
)
def test_a_managed_frame_belongs_to_runtime_platform_or_app(raw, language):
    frame = Frame(0, function=raw, status=FrameStatus.JAVA)

    assert normalize.tokenize(frame, Language.MANAGED).tier is language


@pytest.mark.parametrize(
    ("function", "path", "tier"),
    [
        ("abort", "/apex/com.android.runtime/lib64/bionic/libc.so", Tier.RUNTIME),
        ("anything", "/apex/com.android.art/lib64/libart.so", Tier.RUNTIME),
        ("scudo::Allocator<int>::deallocate(void*)", "/system/lib64/libx.so", Tier.RUNTIME),
        ("android::Camera::open()", "/vendor/lib64/libcamera.so", Tier.PLATFORM),
        ("game::tick()", "/data/app/~~a==/com.example-b==/lib/arm64/libgame.so", Tier.APP),
    ],
)
def test_a_native_frame_belongs_to_runtime_platform_or_app(function, path, tier):
    frame = Frame(0, function=function, module=path)

    assert normalize.tokenize(frame, Language.NATIVE).tier is tier


def test_an_unknown_symbol_is_its_module_without_the_offset():
    frames = [Frame(0, module="/x/libgame.so", address=address) for address in (1, 0xDEAD)]

    tokens = {normalize.tokenize(frame, Language.NATIVE) for frame in frames}

    assert [token.text for token in tokens] == ["libgame.so??"]
    assert not next(iter(tokens)).known


def test_the_home_of_a_method_is_its_outer_class():
    frame = Frame(0, function="com.example.Feed$Row$1.bind", status=FrameStatus.JAVA)

    assert normalize.tokenize(frame, Language.MANAGED).home == "com.example.Feed"


def test_the_home_of_a_plain_function_is_its_file():
    frame = Frame(0, function="p9_poll_mux", file="net/9p/trans_fd.c", line=635)

    assert normalize.tokenize(frame, Language.KERNEL).home == "file 9p/trans_fd.c"


@pytest.mark.parametrize(
    "path",
    [
        "/buildbot/12/out/../system/core/init/main.cpp",
        "system/core/init/main.cpp",
        "../../core/init/main.cpp",
        "init/main.cpp",
    ],
)
def test_where_a_file_was_built_is_no_part_of_its_home(path):
    assert normalize.file_home(path) == "file init/main.cpp"


def test_no_file_is_no_home():
    assert normalize.file_home("") == ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("decode_layer_impl", {"decode", "layer", "impl"}),
        ("ns::Codec::decodeLayer2", {"decode", "layer", "2"}),
        ("com.example.Feed.onHTTPReply", {"on", "http", "reply"}),
        ("a", {"a"}),
        ("??", set()),
    ],
)
def test_a_function_name_is_made_of_words(name, words):
    assert normalize.name_words(name) == words


def test_a_compiled_java_frame_in_a_native_stack_is_read_as_java():
    frame = Frame(0, function="com.example.Feed.lambda$load$3", module="/data/app/base.odex")

    assert normalize.tokenize(frame, Language.NATIVE).text == "com.example.Feed.load"


def test_a_python_comprehension_is_no_own_code():
    frame = Frame(0, function="feed.<listcomp>", file="feed.py")

    assert normalize.tokenize(frame, Language.MANAGED).tier is Tier.RUNTIME


@pytest.mark.parametrize(
    ("stack", "collapsed"),
    [
        ("aaaa", "a"),
        ("abab", "ab"),
        ("abababab", "ab"),
        ("xababy", "xaby"),
        ("aba", "aba"),
        ("abc", "abc"),
        ("", ""),
    ],
)
def test_recursion_collapses_however_deep_it_went(stack, collapsed):
    tokens = [Token(letter) for letter in stack]

    assert "".join(token.text for token in normalize.collapse(tokens)) == collapsed


def test_a_long_stack_keeps_its_top():
    tokens = [Token(str(number)) for number in range(300)]

    assert normalize.trim(tokens, overflow=False) == tokens[:64]


def test_an_overflowed_stack_keeps_where_it_started_too():
    tokens = [Token(str(number)) for number in range(300)]

    assert normalize.trim(tokens, overflow=True) == [*tokens[:40], *tokens[-24:]]


@given(st.text(max_size=120))
def test_any_text_has_a_name_in_every_language(text):
    for language in Language:
        token = normalize.tokenize(Frame(0, function=text), language)

        assert token.text


@given(st.sampled_from(sorted(NATIVE)), st.sampled_from([".cold", ".isra.7", ".llvm.99", "+0x1f"]))
def test_one_more_clone_suffix_changes_nothing(raw, suffix):
    if raw.startswith("-["):
        return

    assert normalize.native_name(raw + suffix) == normalize.native_name(raw)
