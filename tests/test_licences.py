"""The licences of what a user installs: nothing under the GPL, and NOTICE names every part with conditions of
its own. Judged by the metadata of the installed packages and by their files, not by our own lists.
"""

from __future__ import annotations

import importlib.metadata as metadata
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTICE = (ROOT / "NOTICE").read_text("utf-8")
LOCKED = re.findall(r"^([a-z0-9-]+)==\S+", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE)
# Locked for systems other than Linux, or for another processor; never installed here.
ELSEWHERE = frozenset({"colorama"})
_PERMISSIVE = re.compile(r"MIT|BSD|Apache|ISC|PSF|0BSD|Zlib|CC0|Public Domain", re.IGNORECASE)
_SHARE_ALIKE = re.compile(r"LGPL|MPL|EPL|CDDL|Lesser General|Mozilla|Eclipse", re.IGNORECASE)
_STRONG = re.compile(
    r"(?<!L)(?<!Lesser )\bA?GPL|(?<!Lesser )General Public|SSPL|BUSL|Commons Clause", re.IGNORECASE
)


def _licence(name: str) -> str:
    """Licence that the package's metadata state: the expression, else classifiers and text."""
    fields = metadata.metadata(name)
    if expression := fields.get("License-Expression"):
        return str(expression)
    classifiers = [line for line in fields.get_all("Classifier") or () if line.startswith("License ::")]
    return " ".join([*classifiers, (fields.get("License") or "").partition("\n")[0]])


def _named(package: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(package)}(?![\w-])", NOTICE) is not None


def _installed() -> list[str]:
    names = sorted(set(LOCKED) - ELSEWHERE)
    assert len(names) > 40
    return names


@pytest.mark.parametrize("text", ["GPL-3.0-only", "AGPL-3.0", "GNU General Public License v2", "SSPL-1.0"])
def test_words_of_strong_licences_are_recognised(text: str) -> None:
    assert _STRONG.search(text)


@pytest.mark.parametrize("text", ["LGPL-3.0-only", "GNU Lesser General Public License v3"])
def test_the_lesser_licence_is_not_taken_for_the_strong_one(text: str) -> None:
    assert not _STRONG.search(text)
    assert _SHARE_ALIKE.search(text)


@pytest.mark.parametrize("package", _installed())
def test_the_licence_of_a_package_is_known_and_compatible(package: str) -> None:
    licence = _licence(package)
    assert not _STRONG.search(licence), licence
    assert _PERMISSIVE.search(licence) or _SHARE_ALIKE.search(licence), f"{package}: {licence!r}"


def test_notice_names_each_package_that_has_conditions_of_its_own() -> None:
    missing = [name for name in _installed() if _SHARE_ALIKE.search(_licence(name)) and not _named(name)]
    assert missing == []


def test_notice_names_each_wheel_that_brings_libraries_of_others() -> None:
    """A repaired wheel keeps them in `<package>.libs`."""
    site = Path(str(metadata.distribution("numpy").locate_file("")))
    brought = [folder.name.removesuffix(".libs").replace("_", "-") for folder in site.glob("*.libs")]
    locked = [name for name in brought if name in LOCKED]
    assert locked
    assert [name for name in locked if not _named(name)] == []


def test_the_wheel_and_the_image_bring_the_notice() -> None:
    assert '"NOTICE"' in (ROOT / "pyproject.toml").read_text("utf-8")
    assert "NOTICE" in (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
