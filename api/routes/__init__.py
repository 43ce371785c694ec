"""The HTTP API, one file per noun. Routes are synchronous and run on a small pool of threads, apart from
those that wait for a group or a report.
"""
