"""Logins: which are accepted, and in which form they are compared."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insitu.errors import CorrectInput
from insitu.logins import fold_login, require_login


@pytest.mark.parametrize(
    "text",
    [
        *("marie.dupont", "marie.dupont@ville.fr", "lab", "metro-demo", "a", "o_2", "hélène", "x+y@ville.fr"),
        *("Jean-Noël.Lefèvre@Mairie-De-Lyon.FR", "o'brien@example.org", "7@example.org", "a.b-c_d"),
    ],
)
def test_addresses_and_short_names_are_logins(text: str) -> None:
    assert require_login(f" {text} ") == fold_login(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", ".", "-a", "a.", "a b", "a@b", "@ville.fr", "a@", "a@@ville.fr", "a..b@ville.fr"),
        *(".a@ville.fr", "a@-ville.fr", "a@ville..fr", "a@ville.fr.", "a@1.2.3.4", "a\nb", "a\0", "a/b"),
        *("a" * 65, f"{'a' * 65}@ville.fr", f"a@{'b' * 64}.fr", f"a@{'b.' * 130}fr", "l\u0430b", "a<b"),
    ],
)
def test_nothing_else_is(text: str) -> None:
    with pytest.raises(CorrectInput, match="cannot be a login"):
        require_login(text)


@given(st.text(max_size=40))
def test_a_login_has_one_form_however_it_is_typed(text: str) -> None:
    stored = fold_login(text)
    assert fold_login(stored) == stored
    for form in ("NFC", "NFD"):
        assert fold_login(unicodedata.normalize(form, text)) == stored


@given(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True))
def test_a_login_from_before_stays_as_it_is(text: str) -> None:
    if text[-1] != "-":
        assert require_login(text) == text
    assert fold_login(text) == text


@given(st.text(max_size=60))
def test_what_is_accepted_is_accepted_again_in_its_stored_form(text: str) -> None:
    try:
        stored = require_login(text)
    except CorrectInput:
        return
    assert require_login(stored) == stored
