"""Every refusal that a page can show has French, and its values arrive in it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from string import Formatter

import pytest

from api.refusal_words import ANSWERS, CHECKS, FRAGMENTS, ROWS
from api.refusals import LOCALE, form_of, is_known, say
from api.rendering import LOCALE as PAGES
from insitu import errors
from insitu.language import catalogue
from store.constraints import NOUNS, SENTENCES, sentence_of
from tests.api.refusals import Refusal, refusals, wordless

FRENCH = catalogue(LOCALE, "fr")
NOT_SHOWN = tuple(json.loads((Path(__file__).parent / "not_shown.json").read_text("utf-8")))
"""Starts of texts that no page shows as a refusal: headers, patterns, examples, words of the audit log."""
UNSEEN = {
    "Disabled": "sign-in says the same for every refused subject",
    "KnownOtherwise": "the same",
    "LeaseLost": "a line of the ingestor's log",
    "UnknownKey": "the sign-in says that the provider does not answer as it should",
}
"""Errors without words of their own that end before a person reads them, and why."""
DEFAULTS = {
    str(kind())
    for kind in (
        errors.InsituError,
        errors.CorrectInput,
        errors.AlreadyExists,
        errors.RaiseLimit,
        errors.TrySmaller,
        errors.RowRefused,
        errors.FreeSpace,
    )
} | {" ".join(text.split()) for name, text in wordless().items() if name not in UNSEEN}
"""Messages of errors without words of their own."""


def shown() -> list[Refusal]:
    pages = catalogue(PAGES, "fr")
    return [one for one in refusals() if not one.text.startswith(NOT_SHOWN) and one.text not in pages]


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def filled(text: str, values: dict[str, str]) -> str:
    """`text` with these values, whatever their format."""
    return "".join(
        literal + (values[name] if name is not None else "")
        for literal, name, _, _ in Formatter().parse(text)
    )


def test_the_walk_finds_the_refusals_of_every_room() -> None:
    rooms = {one.path.partition("/")[0] for one in refusals()}
    assert rooms == {"api", "ingest", "insitu", "jobs", "store", "trials"}
    assert len(shown()) > 650


def test_every_refusal_has_french() -> None:
    missing = [f"{one.path}:{one.line} {one.text!r}" for one in shown() if one.text not in FRENCH]
    assert not missing, "\n".join(missing)


def test_the_french_holds_no_refusal_that_nobody_raises() -> None:
    texts = {one.text for one in refusals()} | {*FRAGMENTS, *ROWS, *CHECKS, *ANSWERS}
    texts |= {*NOUNS.values(), *SENTENCES.values()}
    unused = sorted(FRENCH.keys() - texts - DEFAULTS)
    assert not unused, "\n".join(unused)


def test_the_list_of_texts_that_no_page_shows_holds_no_more_than_it_needs() -> None:
    assert [start for start in NOT_SHOWN if not any(one.text.startswith(start) for one in refusals())] == []


def test_errors_without_words_that_nobody_reads_are_such_errors() -> None:
    assert set(UNSEEN) <= set(wordless())


def test_a_translated_refusal_has_the_values_of_its_original() -> None:
    assert {en: fr for en, fr in FRENCH.items() if names(en) != names(fr)} == {}


def test_a_refusal_is_recognised_and_its_values_arrive() -> None:
    """The oracle fills the French sentence by hand; no value of it is a word that has French."""
    for text in FRENCH:
        recognise(text)


def recognise(text: str) -> None:
    values = {name: f"Zq{number}·{name}" for number, name in enumerate(sorted(names(text)))}
    said = say(filled(text, values), "fr")
    wanted = filled(FRENCH[text], values)
    if said != wanted:  # another form with as many letters may fit as well, with the same words
        assert len(values) > 0, text
        own = form_of(text)
        heavier = [
            other
            for other in FRENCH
            if (form := form_of(other)).names
            and form.weight >= own.weight
            and form.fit(filled(text, values)) is not None
        ]
        assert len(heavier) > 1, (said, wanted)
    if text not in FRENCH.values():
        assert said != filled(text, values)
    assert all(value in said for value in values.values()), (text, said)


def test_what_the_database_refuses_and_what_errors_say_by_themselves_has_french() -> None:
    texts = {*SENTENCES.values(), *NOUNS.values(), *DEFAULTS}
    missing = [text for text in texts if not (is_known(text, "fr") or say(text, "fr") in FRENCH.values())]
    assert missing == []


@pytest.mark.parametrize("state", ["23505", "23503", "23502", "23514"])
def test_a_row_that_the_database_refuses_is_told_in_french(state: str) -> None:
    details = {
        "23505": "Key (code)=(a-b) already exists.",
        "23503": 'Key (trial)=(x) is not present in table "trial".',
    }
    for table in (*NOUNS, "an unknown one"):
        told = sentence_of(
            state=state, constraint="no such", table=table, column="site_id", detail=details.get(state)
        )
        assert told is not None, table
        said = say(told, "fr")
        assert not re.search(r"\b(The|There|already|needs|must|row)\b", said), said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "There is no trial 'x', or you may not see it.",
            "Il n’y a pas d’essai 'x', ou pas visible pour vous.",
        ),
        (
            "There is no protocol of 'x' that you may lock, or you may not see it.",
            "Introuvable, ou pas visible pour vous\u00a0: un protocole de 'x' que vous puissiez verrouiller.",
        ),
        (
            "The protocol cannot be locked:\n  endpoints: none is primary\n"
            "  arms: two arms have the same name",
            "Le protocole ne peut pas être verrouillé\u00a0:\n"
            "  endpoints\u00a0: aucun n’est principal (primary)\n"
            "  arms\u00a0: deux bras ont le même nom",
        ),
        (
            "body.name: Field required; body.days: Input should be less than or equal to 7",
            "body.name\u00a0: ce champ est obligatoire\u202f; "
            "body.days\u00a0: un nombre d’au plus 7 est attendu",
        ),
        (
            "site s1 is entered already: name cannot change: it cannot change; enter it under another code.",
            "site s1 est déjà entré\u00a0: name cannot change\u00a0: cela ne peut pas changer\u202f; "
            "entrez-le sous un autre code.",
        ),
        (
            "'Furlong' is no unit of UCUM: look it up at https://ucum.org (ug/m3, Cel, %, hPa, m/s, "
            "[ppb], dB, 1 for a bare number).",
            "'Furlong' n’est pas une unité UCUM\u00a0: cherchez-la sur https://ucum.org (ug/m3, Cel, %, "
            "hPa, m/s, [ppb], dB, 1 pour un nombre sans unité).",
        ),
        ("A sentence that nobody wrote.", "A sentence that nobody wrote."),
        ("", ""),
    ],
)
def test_refusals_that_are_put_together_are_taken_apart(text: str, said: str) -> None:
    assert say(text, "fr") == said
    assert say(text, "en") == text


@pytest.mark.parametrize(
    "value", ["{", "}", "{0}", "{x:t}", "%s", "<b>", "a\nb", "; ", ": ", "é\u202e", "\\1"]
)
def test_a_hostile_value_stays_the_value_that_it_is(value: str) -> None:
    said = say(f"There is no host {value!r}.", "fr")
    assert said == f"Il n’y a pas d’hôte {value!r}."


def test_a_very_long_refusal_is_shown_as_it_is() -> None:
    text = "There is no host '" + "a" * 10_000 + "'."
    assert say(text, "fr") == text


@pytest.mark.parametrize(
    "piece", [": ", "; ", ", ", "in : has ", "a, b; c: d. ", "\n", " {x} ", "it has z: "]
)
def test_a_text_made_to_fit_many_forms_takes_no_long_time(piece: str) -> None:
    """Devices choose parts of a refusal. A form tries no two places for a value."""
    text = piece * (3900 // len(piece))
    began = time.process_time()
    say(text, "fr")
    assert time.process_time() - began < 5
