"""Kinds of fault, one module each. A scenario is a function: it hurts a world, returns what it saw, and
raises `Failed`.

`catalogue` lists them all. A shared scenario takes a world that others use too, and leaves it whole; a
scenario of its own takes an empty folder.
"""
