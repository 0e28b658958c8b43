"""A phone's agent in small: a disk queue, patience, and uploads that are resumed.

    disk_queue   reports wait in files, one each, and survive a power cut
    backoff      how long to wait after a failure
    delivery     what each answer of the server asks for, done

`manage.py send_report --queue DIR` uses it; so may any program in Python that has reports to send.
"""
