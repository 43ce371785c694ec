"""Designs of trials: one file each, one line in `registry`. Numbers in, numbers out; docs/library.md shows
`ask`.
"""

from __future__ import annotations

from trials.designs.arrays import ask
from trials.designs.design import Design
from trials.designs.question import Answer, Known, Question
from trials.designs.registry import DESIGNS

__all__ = ["DESIGNS", "Answer", "Design", "Known", "Question", "ask"]
