"""Measurements of evaluations; `insitu bench evaluate` prints their tables."""
