"""Which promise an app broke when the system says that it does not respond.

The sentences are those of ActivityManager (`ActiveServices`, `BroadcastQueue`,
`ContentProviderHelper`, `ProcessList`), InputManager and JobScheduler; older releases use fewer words.
"""

_KINDS = (
    ("input", ("input dispatching timed out", "keydispatchingtimedout")),
    ("broadcast", ("broadcast of intent",)),
    ("foreground_service", ("startforeground", "foreground service", "fgs")),
    (
        "job",
        (
            "onstartjob",
            "onstopjob",
            "jobservice",
            "job service",
            "uij",
            "trying to bind",
            "required notification not provided",  # of a job that the user started
        ),
    ),
    ("startup", ("failed to complete startup", "failed to attach")),
    ("provider", ("contentprovider", "content provider", "provider not responding")),
    ("service", ("executing service", "service")),
    ("broadcast", ("broadcast",)),
    ("input", ("input event",)),
)


def reason_kind(reason: str) -> str | None:
    """One of input, broadcast, service, foreground_service, provider, job, startup; None for others."""
    words = reason[:1024].casefold()
    return next((kind for kind, marks in _KINDS if any(mark in words for mark in marks)), None)
