"""Hostile bytes are read in a child that may do nothing but compute, and that can be killed.

Parsers loop, recurse, allocate and now and then crash on input made to hurt them; 2.9 kB of ELF
keep pyelftools busy until the end of days. So nothing that came from a device or an upload is
parsed in a worker or a web process. The road of one job:

    worker (owner)            fork server                      child
    --------------            -----------                      -----
    run("m:f", payload)
      order + descriptors --> finds f, forks ----------------> gives up everything (confinement)
                              "started"
      arguments --------------------------------------------> f(arguments)
      answer, refusal or failure <--------------------------- MessagePack, never pickle
      lets go --------------> kills it, waits for it

>>> sandbox = Sandbox(("uxp_diag.sandbox.probe", "elftools.*"), allowed=("uxp_diag.sandbox.probe",))
>>> sandbox.run("uxp_diag.sandbox.probe:measure", b"four")
4
>>> sandbox.run_many("uxp_diag.sandbox.probe:measure", [(b"",), (b"x",)])
[0, 1]

Who does what: `owner` (Sandbox, this process), `nursery` (the server as seen from here), `server`
(the loop that forks), `child` (one job), `confinement` and `seccomp` (what a child gives up),
`wire` (what they tell each other), `terms` (the words). `python -m uxp_diag.sandbox` shows which
protections hold on a machine and what a call costs there.

What can go wrong is a `FailureReason`. A child is stopped by the kernel (CPU, memory), by the owner
(wall clock), or by itself; it never gets a second chance. The server restarts when it has died.

To add a job: write a function of plain values (and descriptor numbers) in a module under one of the
sandbox's `allowed` names, preload what it imports, and give its own errors `code` and `detail`.
A large input or output travels as a descriptor: read it with `mmap`, write it with `os.write`.
This package imports neither Django nor the apps, and the server's side must stay so.
"""

from uxp_diag.sandbox.owner import Sandbox
from uxp_diag.sandbox.terms import (
    FailureReason,
    JobRefused,
    Limits,
    PlainValue,
    Protection,
    SandboxFailure,
)

__all__ = [
    "FailureReason",
    "JobRefused",
    "Limits",
    "PlainValue",
    "Protection",
    "Sandbox",
    "SandboxFailure",
]
