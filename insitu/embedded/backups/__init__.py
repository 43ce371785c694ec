"""Copies of an installation from which it can be made again: taken while it runs, checked by their manifest,
restored into an empty data directory. Imports the launchers of `insitu.embedded`.
"""
