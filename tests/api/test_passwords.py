"""Which new passwords are refused, and why."""

from __future__ import annotations

import runpy
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import passwords
from api.passwords import hash_password, matches, require_good_password
from cli.people import new_password
from insitu.errors import CorrectInput

LOGIN = "marie.dupont@ville.fr"


@pytest.mark.parametrize(
    "password",
    [
        *("password1234", "Password2024!", "motdepasse123", "azertyuiop12", "123456789012", "aaaaaaaaaaaa"),
        *("abcabcabcabc", "qwertyuiop12", "bonjourbonjour", "P@ssw0rd1234", "p4ssw0rd!2024", "iloveyou12345"),
        *(
            "Insitu2024Insitu",
            "0123456789ab",
            "1q2w3e4r5t6y",
            "administrator",
            "Bienvenue2026!",
            "            ",
        ),
    ],
)
def test_a_common_password_is_refused(password: str) -> None:
    with pytest.raises(CorrectInput, match="easy to guess"):
        require_good_password(password, LOGIN)


@pytest.mark.parametrize("password", [LOGIN, "MarieDupont2024", "dupont.marie.1", "marie.dupont!"])
def test_a_password_like_the_login_is_refused(password: str) -> None:
    with pytest.raises(CorrectInput, match="too much like the login"):
        require_good_password(password, LOGIN)


@given(st.text(max_size=11))
def test_a_short_password_is_refused(password: str) -> None:
    with pytest.raises(CorrectInput):
        require_good_password(password, LOGIN)


@pytest.mark.parametrize(
    "password", ["correct horse battery staple", "une pomme verte trotte", "xK9#mQ2$vL8w"]
)
def test_some_words_together_are_accepted(password: str) -> None:
    require_good_password(password, LOGIN)


def test_a_made_password_is_accepted() -> None:
    for _ in range(200):
        require_good_password(new_password(), "lab")


def test_two_ways_to_type_an_accent_are_one_password() -> None:
    text = "été à la plage tôt"
    assert matches(hash_password(unicodedata.normalize("NFD", text)), unicodedata.normalize("NFC", text))
    assert passwords.LEAST == 12


def test_a_hash_takes_the_time_and_memory_of_rfc_9106() -> None:
    """64 MiB, 3 passes, 4 lanes; the tests themselves use less (tests/quick_passwords.py)."""
    made = runpy.run_path(passwords.__file__)["hash_password"]("une pomme verte trotte")
    assert made.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert matches(made, "une pomme verte trotte")
