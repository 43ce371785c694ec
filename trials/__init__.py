"""Turns observations into judgements: quality, condition, designs, metrics, criteria, verdicts, reports.

Imports `store` and `insitu`. The calculating modules (quality, condition, designs, metrics, criteria) import
neither `store` nor a driver: numbers in, numbers out. `trials.workflow` loads, computes and saves.
"""
