"""The condition of a device at one moment: state, causes, completeness and gaps, as codes and numbers.

Imports `insitu` only. `trials.workflow.condition` loads the facts; pages put the result into words.
"""
