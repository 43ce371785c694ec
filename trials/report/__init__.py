"""A report: one evaluation document in, HTML, PDF and JSON out, in both languages, the same bytes every
time.
"""
