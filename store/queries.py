"""Named queries of `store/sql` as attributes."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "sql"


@cache
def queries(name: str) -> dict[str, str]:
    """The named blocks of `sql/<name>.sql`: a line `-- name: find_device`, a line of purpose, the
    statement.
    """
    text = (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    blocks = re.split(r"^-- name: (\w+)[ \t]*$", text, flags=re.MULTILINE)
    return {key: body.strip().removesuffix(";") for key, body in zip(blocks[1::2], blocks[2::2], strict=True)}


class Queries:
    """A subclass lists the names of one file. A missing or extra name fails at import, a misspelt use in the
    type check.
    """

    def __init_subclass__(cls, *, file: str) -> None:
        blocks, names = queries(file), cls.__annotations__
        if set(blocks) != set(names):
            raise TypeError(
                f"{cls.__module__} and sql/{file}.sql differ in {sorted(set(blocks) ^ set(names))}"
            )
        for name, statement in blocks.items():
            setattr(cls, name, statement)
