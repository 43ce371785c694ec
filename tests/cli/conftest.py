"""Fixtures of the command line."""

from tests.cli.calling import told, told_here

__all__ = ["told", "told_here"]
