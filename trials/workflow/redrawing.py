"""Pictures that people send are drawn again before anybody sees them: pixels come out, and nothing else that
was in the file. The drawing runs in a process of its own, so that a hostile file costs no more than that.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from insitu.errors import CorrectInput, ReportDefect
from store.catalogue.plans import Picture
from trials.workflow.redrawer import BROKEN, MOST_SECONDS, TOO_MUCH

MOST_BYTES: Final = 8 * 1024**2
MOST_PIXELS: Final = 40_000_000
LONGEST: Final = 2400
"""Pixels of the longer side of what is kept."""
MOST_KEPT: Final = 12_000_000
_STEPS: Final = (1.0, 0.7, 0.45)
"""Parts of the size that are tried until the picture is small enough."""
_FLATTEST: Final = 20
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG: Final = b"\xff\xd8\xff"
_OF_SIZE: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Segments of a JPEG that state its size."""


class _Kind(NamedTuple):
    """`size`: width and height in pixels; None for a drawing, which has none."""

    format: str
    size: tuple[int, int] | None


def redraw(content: bytes, *, seconds: int = MOST_SECONDS) -> Picture:
    """The picture of an SVG, PNG or JPEG file, at most LONGEST pixels wide and high, on white. Raises
    CorrectInput for anything else, and for a file that is too large, broken or meant to do harm. `seconds`:
    of processor time; all of it ends within twice that.
    """
    if not content:
        raise CorrectInput("Choose a file with the plan: SVG, PNG or JPEG.")
    if len(content) > MOST_BYTES:
        raise CorrectInput(f"The plan has more than {MOST_BYTES >> 20} MiB: save it smaller.")
    kind = _kind_of(content)
    longest = LONGEST if kind.size is None else min(LONGEST, max(kind.size))
    ends = time.monotonic() + 2 * seconds
    for part in _STEPS:
        png = _drawn(content, kind.format, max(1, round(longest * part)), seconds, ends)
        if len(png) <= MOST_KEPT:
            return _sound(png)
    raise CorrectInput("The plan has too much detail to be kept: draw it with fewer colours.")


def _kind_of(content: bytes) -> _Kind:
    """By its first bytes, never by the name of the file."""
    try:
        if content.startswith(_PNG):
            return _Kind("png", _bounded(*struct.unpack(">II", content[16:24])))
        if content.startswith(_JPEG):
            return _Kind("jpg", _bounded(*_jpeg_size(content)))
    except (struct.error, IndexError, StopIteration):
        raise CorrectInput("The picture is cut off: save it again.") from None
    if b"<svg" in content[:100_000] and b"\0" not in content:
        return _Kind("svg", None)
    raise CorrectInput("This is no SVG, PNG or JPEG file: save the plan as one of them.")


def _bounded(width: int, height: int) -> tuple[int, int]:
    if not width or not height:
        raise CorrectInput("The picture has no pixels: save it again.")
    if width * height > MOST_PIXELS:
        raise CorrectInput(
            f"The picture has {width} × {height} pixels: save it with at most {MOST_PIXELS // 10**6} million."
        )
    return width, height


def _jpeg_size(content: bytes) -> tuple[int, int]:
    """Width and height, from the first segment that states them."""
    place = next(place for marker, place in _segments(content) if marker in _OF_SIZE)
    height, width = struct.unpack(">HH", content[place + 3 : place + 7])
    return width, height


def _segments(content: bytes) -> Iterator[tuple[int, int]]:
    """(marker, place of its two bytes of length) until the picture itself begins."""
    place = 2
    while content[place] == 0xFF:
        marker = content[place + 1]
        if marker == 0xFF:  # filling
            place += 1
            continue
        yield marker, place + 2
        place += 2 + struct.unpack(">H", content[place + 2 : place + 4])[0]


def _drawn(content: bytes, kind: str, longest: int, seconds: int, ends: float) -> bytes:
    """The bytes of a PNG. `ends`: by the monotonic clock."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "picture").write_bytes(content)
        command = [sys.executable, "-P", "-m", "trials.workflow.redrawer", folder, kind]
        command += [str(longest), str(seconds)]
        try:
            left = max(0.0, ends - time.monotonic())
            done = subprocess.run(
                command, check=False, capture_output=True, timeout=left, env=_without_secrets()
            )
        except subprocess.TimeoutExpired:
            raise _too_much() from None
    if done.returncode == BROKEN:
        raise CorrectInput(_explained(done.stderr.decode(errors="replace")))
    if done.returncode == TOO_MUCH or done.returncode < 0:
        raise _too_much()
    if done.returncode != 0:
        trouble = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise ReportDefect(f"The program that draws plans did not run: {trouble[:300]}")
    return done.stdout


def _without_secrets() -> dict[str, str]:
    """The environment for a process that reads what strangers send."""
    return {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("INSITU_", "PG", "CREDENTIALS"))
    }


def _too_much() -> CorrectInput:
    return CorrectInput(
        "The plan takes too much time or memory to draw: leave out filters and patterns, or save it as PNG."
    )


def _explained(trouble: str) -> str:
    """A sentence about what the renderer says, which names neither its language nor a path."""
    if "URLs are not allowed" in trouble or "linked image" in trouble:
        return "The plan refers to another file or address: put the picture into the file itself."
    if "nodes limit" in trouble or "reference loop" in trouble or "entity" in trouble:
        return "The plan repeats parts without end, or more often than anybody can draw: save it as PNG."
    return "The plan cannot be read: it is broken. Open it in another program and save it again."


def _sound(png: bytes) -> Picture:
    width, height = struct.unpack(">II", png[16:24])
    if max(width, height) > _FLATTEST * min(width, height):
        raise CorrectInput(
            f"The plan is {width} × {height} pixels: one side is more than {_FLATTEST} times the other, so "
            "nobody could read it. Cut it to the plan."
        )
    return Picture(png, width, height)
