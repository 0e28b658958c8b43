"""Which function a report is about: the first that neither reports, nor checks, nor only helps.

A trace begins with the code that prints it and the checks that noticed, then come helpers that
everybody calls (allocation, locks, strings, lists, reference counts, the device model): none of
them says whose mistake it was. `PASSED_OVER` names them by subject, as parts of a name.

A stuck processor shows a random place in the loop, and a hung task the lock that it waits for; so
for those the function is found from the outside: `before_dispatch` takes the last one before the
scaffold that called it (system call, work item, softirq), `waiting_caller` the first one that
does more than wait.

System calls have a wrapper for every architecture and age; `plain_name` takes them off.
"""

import re
from collections.abc import Callable, Sequence

from crashes.formats.kernel_log.rust_path import rust_path

Pick = Callable[[Sequence[str]], str | None]

_REPORTING = (
    r"dump_(?:stack|backtrace)|(?:show|walk)_stack|printk|print_(?:report|usage_bug|tainted|unlock)"
    r"|print_(?:hex_dump|address_description)|hex_dump_to_buffer|imbalance_bug|get_taint$"
    r"|report_bug|fixup_bug|warn_(?:slowpath|alloc|bogus)|__warn|panic|assertfail|va_format"
    r"|dev_(?:info|notice|warn|err|alert|crit|emerg)|__fortify_report"
    r"|arch_stack_walk|stack_trace_(?:save|consume_entry)"
)
_CHECKING = (
    r"__sanitizer|__(?:a|m)san|k(?:a|m)san|hwasan|kcsan_setup_watchpoint|check_memory_region"
    r"|check_(?:heap_)?object|read_word_at_a_time|(?:read|write)_once_.*nocheck|debug_object"
    r"|(?:timer|work)_is_static_object|lockdep|lock_(?:acquire|release|class)|mark_lock"
    r"|(?:reacquire|mark)_held_locks|trace_(?:hard|soft)irq|perf_trace|__?might_(?:sleep|fault|resched)"
    r"|ref_tracker|seqprop_assert|__phys_addr"
)
_ENTERING = (
    r"invalid_op|do_error|_trap$|do_trap|program_check_(?:exception|common)"
    r"|do_(?:kernel|translation)_fault|do_mem_abort|el1_abort|el1h_64_sync|_indirect_thunk_"
)
_MEMORY = (
    r"k?v?[mzc]alloc|krealloc|kmem_cache|slab_|allocate_slab|alloc_page|alloc_frozen_pages"
    r"|^kv?free$|kfree_skb|folio_(?:alloc|unlock)|filemap_(?:alloc|get)_folio|__filemap_get_folio"
    r"|find_or_create_page|read_cache_(?:page|folio)|pagecache_get_page|grab_cache_page_write_begin"
    r"|find_lock_entries|truncate_inode_pages_range|ida_free|extract_(?:user|iter)_to_sg"
)
_LOCKING = (
    r"spin_(?:lock|trylock|unlock)|raw_spin_rq|(?:read|write)_(?:lock|trylock|unlock)"
    r"|^down$|down_(?:read|write|trylock)|up_(?:read|write)|^(?:__|rt_)?mutex_|owner_on_cpu"
    r"|osq_(?:lock|unlock)|bh_(?:enable|disable)|^(?:un)?lock_page|__wake_up|finish_wait"
    r"|^complete$|wait_for_completion|lock_timer_base|cleanup_srcu_struct"
)
_COPYING = (
    r"mem(?:cpy|cmp|set|chr|move|dup)|str(?:n?cmp|[nls]?cpy|n?len|n?str|chr|n?dup)|string|pointer"
    r"|sn?c?n?printf|kv?asprintf|copy_(?:to|from)_user|copy_(?:page_|folio_)?(?:to|from)_iter"
    r"|^copy(?:in|out)$|(?:put|get)_user|(?:read|write)[bwlq]$|logic_(?:in|out)|^crc\d|crc_itu_t"
)
_COUNTING = (
    r"^refcount_|^kref_|kobject_|^put_device$|^i(?:put|put_final|hold)$|drop_nlink|dput"
    r"|atomic(?:64)?_(?:dec|inc|read|set|x?or|and|add|sub|fetch|xchg|cmpxchg|try)"
    r"|(?:set|clear|change|test)_bit|list_(?:add|del|replace|move|splice)|^(?:__)?rb_|^klist_"
    r"|xas_(?:start|load|find)|rhashtable_lookup"
)
_DEFERRING = (
    r"(?:del|mod)_timer|timer_delete_sync|sk_stop_timer_sync|flush_work|cancel_work_(?:timer|sync)"
    r"|try_to_grab_pending|(?:drain|destroy)_workqueue|queue_work|insert_work|queue_delayed_work"
    r"|kthread_stop"
)
_DEVICES = (
    r"add_uevent_var|get_device_parent|device_(?:add|del|unregister|destroy|release|for_each_child)"
    r"|device_remove_file|devres_release_all|hwrng_unregister|i2c_del_adapter|__unregister_client"
    r"|rollback_registered|unregister_netdev|sysfs_remove|tty_unregister_device|dummy_urb_enqueue"
    r"|usb_(?:kill_urb|kill_anchored_urbs|control_msg|hcd_submit_urb|submit_urb)"
)
PASSED_OVER = re.compile(
    "|".join(
        (
            _REPORTING,
            _CHECKING,
            _ENTERING,
            _MEMORY,
            _LOCKING,
            _COPYING,
            _COUNTING,
            _DEFERRING,
            _DEVICES,
        )
    )
)

_DISPATCH = re.compile(
    # System calls, work items, interrupts, threads: whatever is called from here is the subject.
    r"process_one_work|do_(?:fast_)?syscall_|sysenter_dispatch|tracesys_phase2|el0_svc_handler"
    r"|invoke_syscall|ret_fast_syscall|netif_receive_skb|do_softirq|call_timer_fn|_run_timers"
    r"|run_timer_softirq|hrtimer_run|run_ksoftirqd|smpboot_thread_fn|^kthread$|start_secondary"
    r"|cpu_startup_entry|ret_from_fork|tasklet_(?:hi_)?action|smp_call_function"
    # Calls that every file has: the file's own function is the subject.
    r"|vfs_(?:iter_)?(?:read|write)|do_iter_(?:read|write)|call_(?:read|write)_iter"
    r"|new_sync_(?:read|write)|vfs_ioctl|ksys_ioctl|compat_(?:sys_)?ioctl|blkdev_(?:driver_)?ioctl"
    r"|^call_mmap|mmap_region|do_mmap|do_dentry_open|vfs_open"
    # Calls that every socket has.
    r"|^(?:__)?sock_(?:sendmsg|recvmsg|release)|^setsockopt$|^listen$|^accept$|kernel_setsockopt"
    r"|sock_common_setsockopt|kernel_(?:listen|accept)|sk_common_release|^sock_(?:mmap|do_ioctl|ioctl)"
    r"|^compat_sock_ioctl|^(?:nf|rt)netlink_rcv_msg|^netlink_dump|^(?:sys_)?(?:socketpair|connect|ioctl)"
    # Faults and what is left to do on the way back to the program.
    r"|__do_fault|do_page_fault|^page_fault$|__fput|task_work_run|exit_to_usermode"
)
_CALLED_ELSEWHERE = "smp_call_function"
_GRACE_PERIODS = re.compile(r"synchronize_(?:s?rcu|net|sched)")
_GLOBAL_LOCK = "rtnl_lock"
_WAITING = re.compile(
    r"sched|_lock|_slowlock|down|rwsem|completion|kthread|wait|synchronize|context_switch"
    r"|__switch_to|cancel_delayed_work|rcu_barrier"
)
_WRAPPER = re.compile(
    r"(?:compat_)?(?:SYSC|SyS)_|_{2,4}sys_|sys_|ksys_|__(?:x64|ia32|arm64)_|__se_(?:sys_)?|__do_sys_"
)


def readable(name: str) -> str:
    """The name for people: a path for a mangled Rust name, without what the compiler appended."""
    return rust_path(name) or name.partition(".")[0] or name


def plain_name(name: str) -> str:
    """The name without the wrapper that a system call has on this architecture."""
    found = _WRAPPER.match(name)
    return name[found.end() :] or name if found else name


def first(names: Sequence[str]) -> str | None:
    """The innermost function."""
    return names[0] if names else None


def before_dispatch(names: Sequence[str]) -> str | None:
    """The function that was called by a scaffold, the innermost of such."""
    previous = first(names)
    for name in names:
        if _DISPATCH.search(name):
            return _CALLED_ELSEWHERE if _CALLED_ELSEWHERE in name else previous
        previous = name
    return None


def waiting_caller(names: Sequence[str]) -> str | None:
    """Who waits; all who wait for a grace period or for the network's one lock are one case."""
    for name in names:
        if _GLOBAL_LOCK in name:
            return name
        if _GRACE_PERIODS.search(name):
            return "synchronize_rcu"
    return next((name for name in names if not _WAITING.search(name)), None)
