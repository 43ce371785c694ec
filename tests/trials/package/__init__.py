"""Forged and mutated packages, keys, and the one form of each file."""
