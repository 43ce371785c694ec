"""Metrics, intervals, fits, power, and the rule that turns an interval into a verdict. Numbers in, numbers
out.
"""
