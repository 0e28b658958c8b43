"""How tests of pages sign in, and how they read what comes back."""

import re
import uuid
from html.parser import HTMLParser

from django.test import Client

from crashes.stack import CrashKind, Frame, FrameStatus, Module, Thread
from tests.factories import (
    make_crash,
    make_frame,
    make_user,
)

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202e\x1b[31m{{ 7 }}&amp;"
ABSENT = uuid.UUID(int=7)


def client_for(role, program):
    client = Client()
    client.force_login(make_user(role, programs=[program]))
    return client


def text_of(response):
    """What a reader sees, blanks joined."""
    text = re.sub(r"<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", text)


def native_crash():
    frames = (
        Frame(0, function="abort", module="/apex/com.android.runtime/lib64/bionic/libc.so"),
        Frame(
            1,
            module="/data/app/lib/arm64/libgame.so",
            build_id="ab12" * 10,
            address=0x1A2B,
            status=FrameStatus.MISSING_DEBUG_FILE,
        ),
        Frame(
            2,
            function="game::tick()",
            file="src/tick.cc",
            line=7,
            module="/data/app/lib/arm64/libgame.so",
            inlined=True,
            status=FrameStatus.SYMBOLICATED,
        ),
        *(make_frame(f"android.os.Handler.step{number}", index=3 + number) for number in range(4)),
    )
    thread = Thread(name="render", tid=9, crashing=True, frames=frames, registers={"x0": 255})
    return make_crash(
        kind=CrashKind.NATIVE_CRASH,
        package="com.example.game",
        abi="arm64",
        exception_type=None,
        signal="SIGSEGV",
        signal_code="SEGV_MAPERR",
        fault_addr=0,
        abort_message="it broke",
        threads=(
            thread,
            Thread(name="other", tid=10, frames=(make_frame("com.example.Idle.run"),)),
        ),
        modules=(Module("/system/lib64/libc.so", build_id="cd" * 20, start_addr=1, end_addr=2),),
    )


class Markup(HTMLParser):
    """Collects what a policy without inline code forbids, and the elements of a page."""

    def __init__(self):
        super().__init__()
        self.forbidden, self.tags, self.ids = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        names = {name for name, _ in attrs}
        if any(name.startswith("on") or name in {"style", "srcdoc"} for name in names):
            self.forbidden.append((tag, attrs))
        if tag == "style" or (tag == "script" and "src" not in names):
            self.forbidden.append((tag, attrs))
        self.ids += [value for name, value in attrs if name == "id"]
