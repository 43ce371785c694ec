"""What is wrong, for how long it must be so, who hears of it, and in which words: plain values in, plain values
out.
"""
