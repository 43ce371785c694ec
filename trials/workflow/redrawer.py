"""The program that draws one picture again, in a process of its own with little memory and little time:
`python -m trials.workflow.redrawer FOLDER FORMAT LONGEST SECONDS` writes a PNG to standard output.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from typing import Final

import typst

from trials.workflow.redrawn_fonts import with_known_fonts

MOST_SECONDS: Final = 10
MOST_MEMORY: Final = 1536 * 1024**2
BROKEN: Final = 20
TOO_MUCH: Final = 21
"""Exit codes."""
_SOURCE: Final = """
#set page(width: auto, height: auto, margin: 0pt, fill: white)
#context {
  let picture(..size) = image("picture", format: "FORMAT", ..size)
  let natural = measure(picture())
  let scale = calc.min(LONGESTpt / natural.width, LONGESTpt / natural.height)
  picture(width: natural.width * scale, height: natural.height * scale)
}
"""


def main() -> int:
    """The exit code of the program."""
    folder, kind, longest, seconds = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    if kind == "svg":
        picture = Path(folder) / "picture"
        picture.write_bytes(with_known_fonts(picture.read_bytes(), typst.Fonts().families()))
    main_file = Path(folder) / "main.typ"
    main_file.write_text(_SOURCE.replace("FORMAT", kind).replace("LONGEST", longest), "utf-8")
    try:
        png: bytes = typst.compile(str(main_file), root=folder, format="png", ppi=72.0)
    except typst.TypstError as error:
        sys.stderr.write(str(error).partition("\n")[0])
        return BROKEN
    except BaseException:  # noqa: BLE001 - the renderer gave up, or the memory is used up
        return TOO_MUCH
    sys.stdout.buffer.write(png)
    return 0


if __name__ == "__main__":
    sys.exit(main())
