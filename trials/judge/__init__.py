"""From inputs to an evaluation: experimental units, verdicts, missing data, exclusions, looks, deviations,
outlook. Pure; reads no clock and no database.
"""
