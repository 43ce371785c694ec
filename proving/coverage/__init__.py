"""Do intervals hold the truth as often as they say? Measured on arrays whose truth is known; `insitu bench
evaluate` prints it.
"""
