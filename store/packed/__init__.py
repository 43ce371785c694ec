"""Packed days: results that have become old, many in one row, as compressed columns."""
