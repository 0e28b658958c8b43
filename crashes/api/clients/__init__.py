"""The clients that exist already, each spoken to in its own protocol.

    sentry.py      envelopes, `/store/` and `/minidump/` of Sentry's SDKs
    breakpad.py    minidumps of Breakpad and Crashpad, answered as Socorro does
    acra.py        ACRA's HTTP sender
    sentry_cli.py  debug files and mappings from sentry-cli

What each of them does with an answer decides whether a crash is kept or lost; docs/clients.md
tells it, and how a client is pointed here. All of them are answered as soon as their report is
durable. None of these protocols is ours, so none stands in our OpenAPI document.
"""
