"""The class of a kernel crash, from its title: what its repair is worth, in one word.

Spelled as the public kernel fuzzing dashboards do (`KASAN-USE-AFTER-FREE-WRITE`, `LOCKDEP`,
`HANG`), so that a triage rule written there works here.
"""

import re

_BY_TITLE = tuple(
    (re.compile(title), name)
    for title, name in (
        (r"KMSAN: uninit-value", "KMSAN-UNINIT-VALUE"),
        (
            r"KMSAN: (?:kernel-(?:usb-)?infoleak-after-free|use-after-free)",
            "KMSAN-USE-AFTER-FREE-READ",
        ),
        (r"KMSAN: kernel-(?:usb-)?infoleak", "KMSAN-INFO-LEAK"),
        (r"KMSAN:", "KMSAN-UNKNOWN"),
        (r"KASAN: (?:invalid-free|double-free)", "KASAN-INVALID-FREE"),
        (r"KASAN: (?:slab-)?use-after-free Write", "KASAN-USE-AFTER-FREE-WRITE"),
        (r"KASAN: (?:slab-)?use-after-free", "KASAN-USE-AFTER-FREE-READ"),
        (r"KASAN: [a-z-]+ Write", "KASAN-WRITE"),
        (r"KASAN: (?:[a-z-]+ Read|(?:slab|stack)-out-of-bounds|wild-memory-access)", "KASAN-READ"),
        (r"KASAN:", "KASAN-UNKNOWN"),
        (r"KCSAN: data-race", "DATARACE"),
        (r"BUG: (?:corrupted list|unable to handle kernel paging request)", "MEMORY_SAFETY_BUG"),
        (r"BUG: unable to handle kernel NULL pointer", "NULL-POINTER-DEREFERENCE"),
        (
            r"BUG: unable to handle kernel (?:access to user|execution of user|write to read-only"
            r"|read from unreadable|execute from non-executable) memory",
            "MEMORY_SAFETY_BUG",
        ),
        (r"WARNING: refcount bug", "REFCOUNT_WARNING"),
        (r"UBSAN: array-index", "MEMORY_SAFETY_UBSAN"),
        (r"UBSAN:", "UBSAN"),
        (
            r"BUG: (?:bad unlock balance|held lock freed|rwlock|spinlock|still has locks held|using)"
            r"|WARNING: (?:bad unlock balance|held lock freed|lock held|locking bug|nested lock"
            r"|still has locks held|suspicious RCU usage)|inconsistent lock state|possible deadlock",
            "LOCKDEP",
        ),
        (r"BUG: (?:scheduling while atomic|sleeping function called)", "ATOMIC_SLEEP"),
        (r"memory leak in", "LEAK"),
        (r"BUG: bad usercopy|kernel BUG", "BUG"),
        (r"WARNING: (?:corrupted|kernel stack)", None),
        (r"WARNING\b", "WARNING"),
        (
            r"BUG: (?:soft|hard) lockup|INFO: (?:rcu detected stall|task can't die|task hung)",
            "HANG",
        ),
        (r"unexpected kernel reboot", "REBOOT"),
        (
            r"Alignment trap|Bad mode|CFI failure|SError|BUG: Object already free|Internal error|PANIC: double fault"
            r"|Unhandled fault|VFS: |divide error|general protection fault|invalid opcode"
            r"|kernel panic:|kernel stack overflow|stack segment fault|trusty:"
            r"|unregister_netdevice:|Watchdog (?:bark|bite)|subsystem restart",
            "DoS",
        ),
    )
)
_KFENCE = re.compile(r"KFENCE: (?P<kind>[a-z -]+) in ")


def type_of(title: str) -> str | None:
    """The class of the crash with this title, or None for one that has none."""
    if found := _KFENCE.match(title):
        return f"KFENCE-{found['kind'].upper().replace(' ', '-')}"
    return next((name for expression, name in _BY_TITLE if expression.match(title)), None)
