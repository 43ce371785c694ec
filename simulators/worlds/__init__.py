"""Worlds whose truth is known, one or more for each design with an interval: hourly arrays, and the settings
they were made from.

`insitu bench evaluate` measures on them how often an interval holds the truth; the tests do the same. Nothing
here knows a design except by its name.
"""
