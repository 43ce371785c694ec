from __future__ import annotations

import ast
import re
from pathlib import Path

from api import problems, rendering
from api.attempts import TooManyAttempts
from api.pages import rejects, series, words
from insitu.language import catalogue
from trials.report.sentence import sentences
from trials.statement import Kind

_API = Path(rendering.__file__).parent
_IN_TEMPLATE = re.compile(r"""\bt\(\s*(?:"([^"]*)"|'([^']*)')""")
_PLACE = re.compile(r"\{(\w+)\}")


def texts() -> set[str]:
    """Every English text that a page may look up a translation for."""
    found: set[str] = set()
    for path in (_API / "templates").glob("*.j2"):
        found |= {one or other for one, other in _IN_TEMPLATE.findall(path.read_text("utf-8"))}
    for path in _API.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "t"
                and node.args
            ):
                found |= {
                    part.value
                    for part in ast.walk(node.args[0])
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                }
    for name, table in vars(words).items():
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
