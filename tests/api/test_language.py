from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from api import problems, rendering
from api.attempts import TooManyAttempts
from api.pages import chart_words, meanwhile, rejects, series, words
from api.rendering import Page
from insitu.language import Language, Reader, catalogue
from trials.report.sentence import sentences
from trials.statement import Kind

_API = Path(rendering.__file__).parent
_IN_TEMPLATE = re.compile(r"""\bt\(\s*(?:"([^"]*)"|'([^']*)')""")
_PLURAL_IN_TEMPLATE = re.compile(r"""\bn\(\s*"([^"]*)",\s*"([^"]*)",""")
_PLACE = re.compile(r"\{(\w+)\}")


def texts() -> set[str]:
    """Every English text that a page may look up a translation for."""
    found: set[str] = set()
    for path in (_API / "templates").glob("*.j2"):
        template = path.read_text("utf-8")
        found |= {one or other for one, other in _IN_TEMPLATE.findall(template)}
        found |= {text for pair in _PLURAL_IN_TEMPLATE.findall(template) for text in pair}
    for path in _API.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("t", "n")
                and node.args
            ):
                found |= {
                    part.value
                    for text in node.args[: 1 if node.func.attr == "t" else 2]
                    for part in ast.walk(text)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                }
    for name, table in (*vars(words).items(), *vars(chart_words).items(), *vars(meanwhile).items()):
        if name.isupper():
            found |= {text for text in table.values() if isinstance(text, str)}
    found |= (
        set(problems._TITLES.values()) | set(rejects._COLUMNS) | set(series.SPANS) | {"online", "offline"}
    )
    found |= {note.text for note in sentences(Kind.NOTE)}
    found |= {str(TooManyAttempts()), "The login or the password is wrong.", rejects.REPLAYED}
    return {text for text in found if text}


def test_every_text_of_the_pages_has_a_french_translation() -> None:
    missing = sorted(texts() - catalogue(rendering.LOCALE, "fr").keys())
    assert not missing, "\n".join(missing)


def test_the_translation_holds_no_text_that_no_page_has() -> None:
    unused = sorted(catalogue(rendering.LOCALE, "fr").keys() - texts())
    assert not unused, "\n".join(unused)


def test_a_translation_has_the_same_parts_as_its_original() -> None:
    different = {
        en: fr
        for en, fr in catalogue(rendering.LOCALE, "fr").items()
        if sorted(_PLACE.findall(en)) != sorted(_PLACE.findall(fr))
    }
    assert not different


@pytest.mark.parametrize(
    ("language", "count", "text"),
    [
        ("en", 0, "0 need attention"),
        ("en", 1, "1 needs attention"),
        ("en", 1234, "1,234 need attention"),
        ("fr", 0, "0 demande de l’attention"),
        ("fr", 1, "1 demande de l’attention"),
        ("fr", 2, "2 demandent de l’attention"),
    ],
)
def test_a_count_is_written_as_the_language_counts(language: Language, count: int, text: str) -> None:
    page = Page("/", None, Reader(language), datetime.now(UTC), simulated=False, form="")
    assert page.n("{n} needs attention", "{n} need attention", count) == text


def test_the_two_hours_that_are_one_on_the_clock_are_told_apart() -> None:
    """In whatever zone a time comes, and whichever came first."""
    paris = ZoneInfo("Europe/Paris")
    for first, second in ((0, 1), (1, 0)):
        times = [datetime(2026, 10, 25, hour, 30, tzinfo=UTC).astimezone(paris) for hour in (first, second)]
        written = [Reader("en", "UTC").moment(one, "medium") for one in times]
        assert [f"{hour}:30" in text for hour, text in zip((first, second), written, strict=True)] == [
            True,
            True,
        ]
        assert written[0] != written[1]


_ROOMS: Final = _API.parent
_SPACED: Final = re.compile(
    r"(?<!\u202f)[;?](?![\w;=&])"  # a thin space before them, unless they belong to an address or a name
    r"|(?<![\u202f(])!(?!=)"
    r"|[ \u202f]:(?!\w)|[\w}»)]:(?= |$)"
    r"|«(?!\u00a0)|(?<!\u00a0)»"
    r"|[}\d] %(?!\w)"
)
"""Spaces that French has neither before a high mark nor inside quotation marks."""


def misspaced(french: str) -> list[str]:
    """The places of a French text that have another space than French has there; code is none."""
    prose = re.sub(r"`[^`]*`", "x", french)
    return [prose[max(0, one.start() - 20) : one.end() + 10] for one in _SPACED.finditer(prose)]


@pytest.mark.parametrize(
    "text",
    ["non ; oui", "non\u00a0; oui", "quoi ?", "oui !", "a : b", "a: b", "« a\u00a0»", "«\u00a0a »", "{n} %"],
)
def test_a_wrong_space_in_french_is_found(text: str) -> None:
    assert misspaced(text)


def test_french_has_its_spaces_everywhere() -> None:
    """A narrow no-break space before ; ! ?, a no-break space before : and % and inside « »."""
    files = sorted(_ROOMS.glob("*/**/locale/**/fr.po"))
    assert len(files) >= 5
    wrong = [
        f"{path.relative_to(_ROOMS)}: {place!r}"
        for path in files
        for english, french in catalogue(path.parent, "fr").items()
        if english
        for place in misspaced(french)
    ]
    assert not wrong, "\n".join(wrong)
