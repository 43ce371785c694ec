"""Finds what is wrong, how long it must be so, who hears of it, and in which words. Plain values in, plain
values out.
"""
