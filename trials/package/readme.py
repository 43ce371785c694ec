"""The README of a package, in English and French."""

from __future__ import annotations

from importlib.resources import files

README = files(__package__).joinpath("readme.md").read_text("utf-8")
"""A template: trial, sha256 and version of the evaluation."""
