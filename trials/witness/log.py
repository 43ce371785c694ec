"""Does the audit log still continue what was stated about it earlier?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trials.witness.statements import HEAD, Signed, is_signed


def broken_statements(
    statements: Sequence[Signed], lines: Mapping[int, str], keys: Sequence[str]
) -> Iterator[str]:
    """One sentence for each statement that the log does not continue, or that nobody of `keys` signed.

    `lines`: number of each line → its SHA-256. `keys`: public keys of the installation; none: whose key it is
    is not asked.
    """
    counts = {number: count for count, number in enumerate(sorted(lines), 1)}
    for statement in statements:
        try:
            content = statement.content()
            name = name_of(content)
        except (ValueError, KeyError, TypeError) as error:
            yield f"a statement cannot be read ({error})"
            continue
        if not is_signed(statement):
            yield f"{name} has a signature that does not fit"
        elif keys and statement.public_key not in keys:
            yield f"{name} is signed with a key that is not this installation's: {statement.public_key}"
        if (problem := _compare(content, lines, counts)) is not None:
            yield f"{name} {problem}"


def name_of(content: Mapping[str, Any]) -> str:
    """As in: the head of 2026-03-01 10:00 at line 12."""
    what = "head" if content["what"] == HEAD else f"statement about {content['what']}"
    return f"the {what} of {str(content['at'])[:16].replace('T', ' ')} at line {content['line']}"


def _compare(content: Mapping[str, Any], lines: Mapping[int, str], counts: Mapping[int, int]) -> str | None:
    number = content.get("line")
    found = lines.get(number) if isinstance(number, int) else None
    if not isinstance(number, int) or found is None:
        return "tells of a line that is no longer in the log: lines were cut"
    if found != content.get("sha256"):
        return "has another hash than that line has now: the log was rewritten"
    if content["what"] == HEAD and counts[number] != content.get("lines"):
        return f"tells of {content.get('lines')} lines up to there, and now there are {counts[number]}"
    return None
