"""Does anything of a person reach a disk? Planted values, sent every way there is, looked for everywhere.

    values    fourteen made-up values, one of each kind, and every form in which one could be kept
    sending   a phone that says them in every upload, in keys, names, headers, and in broken requests
    scanning  all bytes of files, tables and Redis, unpacked where they are packed

`manage.py scan_canaries --send` plants, `manage.py scan_canaries` looks. A scanner that finds nothing
proves nothing, so its test plants four leaks and wants them all.
"""
