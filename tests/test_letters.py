"""Letters that nobody sees are found wherever they have no effect, and stay where a script needs them."""

from __future__ import annotations

import unicodedata

import pytest

from insitu.letters import find_unseen

WRITTEN = {
    "French with a thin space": "Gare du Nord\u202f: quai\u00a01",
    "Persian with a joiner": "نامه\u200cهای من",
    "Hindi with a joiner": "क्\u200dष",
    "Sinhala with a joiner": "ශ්\u200dරී",
    "Malayalam with a non-joiner": "ന്\u200cമ",
    "Hebrew and Arabic": "תחנה محطة",
    "Arabic with marks and a non-joiner": "مِ\u200cن",
    "a name with an ideograph of its own form": "葛\U000e0100城",
    "a person of science": "👩\u200d🔬",
    "a person with a colour": "👩🏽\u200d🔬",
    "a flag with a rainbow": "🏳\ufe0f\u200d🌈",
    "a sun and a key": "☀\ufe0f 1\ufe0f\u20e3",
    "a year in Arabic": "\u06012026",
    "Mongolian": "ᠠ\u180b",
    "letters with marks apart": "e\u0301",
}
HIDDEN = [
    *("\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069"),
    *("\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u061c", "\u2060", "\u2064", "\ufeff", "\u00ad"),
    *("\u034f", "\u115f", "\u1160", "\u17b4", "\u3164", "\uffa0", "\ufe0f", "\ufe00", "\u180b", "\u180e"),
    *("\U000e0001", "\U000e0061", "\U000e0100", "\u2028", "\u2029", "\x00", "\x1b", "\x7f", "\x85"),
    *("\ue000", "\U000f0000", "\u2065", "\ufff9", "\U0001d173"),
]


@pytest.mark.parametrize("what", WRITTEN)
def test_what_people_write_stays(what: str) -> None:
    assert find_unseen(WRITTEN[what]) is None


@pytest.mark.parametrize("letter", HIDDEN, ids=lambda one: f"U+{ord(one):04X}")
@pytest.mark.parametrize("around", [("Ha", "ll"), ("", "Hall"), ("Hall", ""), ("Hall ", " 2"), ("", "")])
def test_a_hidden_letter_is_found_and_named(letter: str, around: tuple[str, str]) -> None:
    assert find_unseen(around[0] + letter + around[1]) == f"U+{ord(letter):04X}"


def test_lines_are_kept_where_a_text_may_have_them() -> None:
    assert find_unseen("one\r\n\ttwo", lines=True) is None
    assert find_unseen("one\ntwo") == "U+000A"
    assert find_unseen("one\n\u202etwo", lines=True) == "U+202E"


def test_every_letter_that_is_drawn_may_stand_between_two_others() -> None:
    """The oracle is the general category: letters, numbers, marks, signs and spaces are drawn, but for those
    that Unicode lists as Default_Ignorable_Code_Point, which are few and above.
    """
    drawn = ("L", "N", "P", "S", "M", "Zs")
    refused = [
        code
        for code in range(0x110000)
        if unicodedata.category(chr(code)).startswith(drawn) and find_unseen(f"a{chr(code)}b") is not None
    ]
    hidden = {ord(one) for one in HIDDEN}
    selectors = {*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), *range(0x180B, 0x1810), 0x17B5}
    assert set(refused) <= hidden | selectors
