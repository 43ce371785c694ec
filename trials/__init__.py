"""What observations mean: quality, health, designs, metrics, criteria, verdicts, reports.

Imports `store` and `insitu`; the calculating modules (quality, health, designs, metrics, criteria) import
neither `store` nor a driver: numbers in, numbers out. `trials.workflow.whole` loads, computes and saves.
"""
