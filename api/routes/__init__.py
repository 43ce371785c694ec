"""The HTTP API, one file for each noun. Routes are synchronous and run on a small thread pool, except those
that wait for a group or a report.
"""
