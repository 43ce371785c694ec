"""HTTP: pages, JSON routes, live stream, and the jobs that run beside them.

Imports every room except `cli`. Rights are decided once, in `store.access`, below routes and pages.
"""
