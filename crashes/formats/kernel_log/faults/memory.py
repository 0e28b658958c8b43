"""Memory: what sanitizers find, accesses that cannot be, and state that is damaged.

mm/kasan/report.c, mm/kfence/report.c, mm/kmsan/report.c, kernel/kcsan/report.c, lib/ubsan.c,
lib/bug.c, arch/{x86,arm,arm64}/mm/fault.c.
"""

from crashes.formats.kernel_log.faults.terms import (
    FUNCTION,
    MARK_STACK,
    STOPPED_TRACE,
    TRACE,
    URB,
    Step,
    behind,
    fault,
)

_INVALID_FREE = r"BUG: KASAN: (?:double-free or invalid-free|double-free|invalid-free) in "
KASAN = (
    fault(
        r"BUG: KASAN:",
        "KASAN: {kind} {access} in {function}",
        (behind(rf"BUG: KASAN: [a-z-]+ in {FUNCTION}"), *TRACE),
        needs=(
            r"BUG: KASAN: (?P<kind>[a-z-]+) in \w{1,256}[.+]",
            r"(?P<access>Read|Write) (?:of size|at addr) [0-9a-f]",
        ),
        over=r"kernel_fault|tag_check|mem_abort|^el1h?_",
        fatal=True,
    ),
    fault(
        r"BUG: KASAN:",
        "KASAN: invalid-free in {function}",
        (behind(_INVALID_FREE + FUNCTION), *TRACE),
        needs=(_INVALID_FREE + r"\w{1,256}[.+]",),
        over=r"slab_|kfree|vunmap|vfree",
        fatal=True,
    ),
    fault(
        r"BUG: KASAN: (?P<kind>[a-z-]+) on address",
        "KASAN: {kind} {access}",
        needs=(r"(?P<access>Read|Write) of size [0-9]",),
        fatal=True,
    ),
    fault(r"BUG: KASAN: (?P<rest>.*)", "KASAN: {rest}", fatal=True, incomplete=True),
)
OTHER_SANITIZERS = (
    fault(
        r"BUG: KMSAN: kernel-usb-infoleak",
        "KMSAN: kernel-usb-infoleak in {function}",
        (Step.STACK,),
        needs=(r"BUG: KMSAN: kernel-usb-infoleak in \w{1,256}[.+]",),
        over=rf"alloc_skb|{URB}",
        traceless=True,
    ),
    fault(
        r"BUG: KMSAN:",
        "KMSAN: {kind} in {function}",
        (Step.STACK,),
        needs=(r"BUG: KMSAN: (?P<kind>[a-z-]+) in \w{1,256}[.+]",),
        over=r"alloc_skb|netlink_ack|netlink_rcv_skb|_encrypt$|^(?:crypto|cipher|drbg|rng)_",
        traceless=True,
    ),
    fault(r"BUG: KCSAN: (?P<rest>.*)", "KCSAN: {rest}", traceless=True),
    fault(
        rf"BUG: KFENCE: (?P<kind>(?:use-after-free|out-of-bounds|invalid) (?:read|write)) in {FUNCTION}",
        "KFENCE: {kind} in {function}",
        MARK_STACK,
        fatal=True,
    ),
    fault(
        rf"BUG: KFENCE: (?P<kind>invalid free|memory corruption) in {FUNCTION}",
        "KFENCE: {kind} in {function}",
        MARK_STACK,
        traceless=True,
        fatal=True,
    ),
)
BAD_ACCESS = (
    fault(
        r"BUG: (?:unable to handle (?:kernel paging request|page fault for address)"
        r"|Unable to handle kernel data access)",
        "BUG: unable to handle kernel paging request in {function}",
        STOPPED_TRACE,
        fatal=True,
    ),
    fault(
        r"BUG: (?:unable to handle )?[kK]ernel NULL pointer dereference",
        "BUG: unable to handle kernel NULL pointer dereference in {function}",
        STOPPED_TRACE,
        fatal=True,
    ),
    fault(
        r"BUG: [uU]nable to handle kernel",
        "BUG: unable to handle kernel",
        fatal=True,
        incomplete=True,
    ),
)
MEMORY_STATE = (
    fault(r"BUG: Bad rss-counter state", "BUG: Bad rss-counter state", traceless=True),
    fault(
        r"BUG: non-zero (?P<what>nr_ptes|nr_pmds) on freeing mm",
        "BUG: non-zero {what} on freeing mm",
        traceless=True,
    ),
    fault(
        r"BUG: Dentry .* still in use \([0-9]+\) \[(?P<when>unmount) of [^\]]+\]",
        "BUG: Dentry still in use in {when}",
    ),
    fault(
        r"BUG: Bad page (?P<what>state|cache)",
        "BUG: Bad page {what} in {function}",
        (behind(r"page last allocated"), Step.STACK),
        over=r"(?:free|put|get|update|release)_page|free_unref|^_*folio|truncate_inode_pages"
        r"|page_frag_free|alloc|vmap|page_owner",
        fatal=True,
    ),
    fault(r"BUG: Bad page map", "BUG: Bad page map", fatal=True),
)
UBSAN = (
    fault(  # a trap: the kind, and the processor's syndrome
        r"UBSAN: (?P<kind>[a-z][a-z -]{1,64}?): [0-9a-f]{8,16} \[#",
        "UBSAN: {kind} in {function}",
        STOPPED_TRACE,
        fatal=True,
    ),
    fault(
        r"UBSAN: Undefined behaviour in",
        "UBSAN: undefined-behaviour in {function}",
        TRACE,
        over=r"ubsan|overflow",
    ),
    fault(
        r"UBSAN: (?P<kind>.*?) in ", "UBSAN: {kind} in {function}", TRACE, over=r"ubsan|overflow"
    ),
)
BUG_LINES = (
    fault(
        r"kernel BUG at mm/usercopy.c",
        "BUG: bad usercopy in {function}",
        TRACE,
        over=r"usercopy|__check",
        fatal=True,
    ),
    fault(
        r"kernel BUG at lib/list_debug.c", "BUG: corrupted list in {function}", TRACE, fatal=True
    ),
    fault(r"kernel BUG at ", "kernel BUG in {function}", STOPPED_TRACE, over=r"^skb_", fatal=True),
)
