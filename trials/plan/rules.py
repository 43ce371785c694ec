"""The rules that an evaluation was computed with.

Documents and packages name their number; those without it are of rules 1. Old rules stay, so that an old
package gives the same numbers on any later version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RULES_1: Final = 1
NEWEST: Final = 2


@dataclass(frozen=True, slots=True)
class Rules:
    version: int

    @property
    def tell_when(self) -> bool:
        """Whether an evaluation tells what was locked or changed when results could be known."""
        return self.version >= 2

    @property
    def tell_counts(self) -> bool:
        """Whether an estimate tells days, pairs and units apart."""
        return self.version >= 2
