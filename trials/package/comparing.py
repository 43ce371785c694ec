"""Differences between a stated and a recomputed document."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, Final

RELATIVE: Final = 1e-6
"""Across types of processors; on the same type the bytes are the same."""
_ABSOLUTE: Final = 1e-12
NOT_RECOMPUTED: Final = ("causes", "changed", "code")
"""Fields of an evaluation that depend on more than a package holds: an earlier evaluation, the machine."""


def differences(where: str, stated: Any, found: Any, compared: list[int]) -> Iterator[str]:
    """Paths below `where` at which two documents differ, numbers by more than `RELATIVE`; counts what it has
    compared in `compared[0]`. A key that is missing in `stated` has the value null: older versions did not
    write it.
    """
    if isinstance(stated, dict) and isinstance(found, dict):
        for key in sorted(set(stated) | set(found)):
            path = f"{where}.{key}" if where else key
            if key not in found:
                yield f"{path}: {_short(stated[key])} stated, and there is no such value"
            elif where or key not in NOT_RECOMPUTED:
                yield from differences(path, stated.get(key), found[key], compared)
        return
    if isinstance(stated, list) and isinstance(found, list):
        if len(stated) != len(found):
            yield f"{where}: {len(stated)} items stated, {len(found)} recomputed"
        for number, (one, other) in enumerate(zip(stated, found, strict=False)):
            yield from differences(f"{where}[{_label(one, number)}]", one, other, compared)
        return
    compared[0] += 1
    if not _same(stated, found):
        yield f"{where}: {_short(stated)} stated, {_short(found)} recomputed"


def _label(item: Any, number: int) -> str:
    if isinstance(item, dict):
        for key in ("name", "statistic", "datastream", "code", "day"):
            if key in item:
                return str(item[key])
    return str(number)


def _same(stated: Any, found: Any) -> bool:
    """A count must be equal; only a number with a fraction may differ a little. Canonical JSON writes a
    whole float like an integer.
    """
    if isinstance(stated, bool) or isinstance(found, bool):
        return stated is found
    if isinstance(stated, int | float) and isinstance(found, float):
        return math.isclose(stated, found, rel_tol=RELATIVE, abs_tol=_ABSOLUTE)
    return type(stated) is type(found) and bool(stated == found)


def _short(item: Any) -> str:
    text = json.dumps(item, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "…"
