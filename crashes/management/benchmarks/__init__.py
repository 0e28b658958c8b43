"""How fast it is, beside what a user would pick instead.

A number without a second one tells nothing on a machine that others use too. So a benchmark is a
contest: two or more sides do the same work in turns, several rounds long, and a row of the table
is the median of ours, the median of theirs, and how many times better ours is.

    terms      the words: Benchmark, Contest, Row, Terms, Unavailable
    runner     prepares a benchmark, lets its sides take turns, cleans up
    table      results as one aligned table and as JSON with every sample
    corpus     reports of 10 to 40 KB of a long-tailed set of crashes
    machines   processes: what they used, and how to start them somewhere else
    load       the client: prepared requests over kept-alive connections
    platforms  the platform in its embedded and its production shape
    catalog    all benchmarks
    inner      what runs in a fresh process: `python -m crashes.management.benchmarks.inner JOB`

and one module per area: `intake`, `parsing`, `symbols`, `grouping`, `retracing`, `peers`.

To add one, write a function that prepares it (a context manager that yields a `Contest`), and give
it a line in its module's `BENCHMARKS`. A side returns plain figures; time is the processor's
(user and system, children included) wherever others could disturb the clock.
"""
