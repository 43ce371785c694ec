"""Versions of the programs that make the files of a package: a reader needs them to make the files again."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

_RENDERERS: Final = ("babel", "insitu", "jinja2", "typst", "vl-convert-python")
_FORMS: Final = (".j2", ".md", ".po", ".py", ".typ")


@cache
def makers() -> dict[str, str]:
    """Versions of Insitu and the renderers, type of processor, and `form`: a hash of everything that words
    and lays out reports. Two machines with equal values make the same bytes. Cached: it reads some 40 files.
    """
    form = hashlib.sha256()
    for package in ("trials.report", "trials.package"):
        for name, content in _texts(files(package), ""):
            form.update(f"{name}\0{len(content)}\0".encode() + content)
    return {
        **{name: version(name) for name in _RENDERERS},
        "machine": platform.machine(),
        "form": form.hexdigest()[:16],
    }


def made_here() -> str:
    """A short name of the makers: files that other makers made are not taken from a cache."""
    text = "\n".join(f"{name} {value}" for name, value in sorted(makers().items()))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _texts(folder: Traversable, above: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir() and entry.name != "__pycache__":
            found += _texts(entry, f"{above}{entry.name}/")
        elif entry.is_file() and entry.name.endswith(_FORMS):
            found.append((above + entry.name, entry.read_bytes()))
    return found
