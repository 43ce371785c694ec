"""HTTP: pages, JSON routes, live stream, and the jobs that run beside them.

Imports every room but `cli`. Who may see what is decided once, in `store.access`, below routes and pages.
"""
