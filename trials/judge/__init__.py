"""From inputs to an evaluation: experimental units, verdicts, looks, deviations, outlook. Pure; reads no
clock and no database.
"""
