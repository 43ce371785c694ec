"""A report: one evaluation document in, HTML, PDF and JSON out, in both languages, the same bytes every
time.
"""

from trials.report.render import Charts, write_reports

__all__ = ["Charts", "write_reports"]
