"""A fleet that does not exist: phones, their software, their bugs, and what they send.

The demo shows the platform with uploads that look like a maker's own. Nothing here writes to the
database: everything goes through the HTTP API, as it would from real phones.

    models       phones, their OS builds, operators, apps (plain facts)
    population   which phones there are, who owns them, and which build each runs on which day
    bugs         the long-tailed list of what is wrong, and whom it hits
    crashes_java, anr, dropbox, native     one kind of dump each, as text or bytes
    scenario     who hits which bug when: the stream of reports
    vitals       how they are doing otherwise: battery, counters, apps
    sender       the stream, over several connections, into a server

A seed decides everything but the device ids, which the server gives. Times are drawn relative to
the end of the window, so a later run with the same seed sends the same reports (and is answered
`duplicate`).
"""
