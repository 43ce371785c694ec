"""Passwords are stored as argon2id; a new one must be hard to guess."""

from __future__ import annotations

import re
import secrets
import unicodedata
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from insitu.errors import CorrectInput

LEAST: Final = 12
MOST: Final = 512
TOO_SHORT: Final = "A password has at least 12 characters."
TOO_LONG: Final = "A password has at most 512 characters."
TOO_LIKE_LOGIN: Final = "The password is too much like the login: choose another one."
TOO_COMMON: Final = "This password is easy to guess: join some words that do not belong together."

# argon2id with the parameters of RFC 9106 for limited memory: 64 MiB, 3 passes
_HASHER: Final = PasswordHasher()

_LEAST_OWN: Final = 5
"""Different characters that must remain when the usual pieces are taken out."""
_LIKE_LETTERS: Final = str.maketrans("0134578@$!", "oieastbasi")
_ROWS: Final = (
    *("01234567890", "09876543210", "abcdefghijklmnopqrstuvwxyz", "zyxwvutsrqponmlkjihgfedcba"),
    *("azertyuiop", "qsdfghjklm", "wxcvbn", "qwertyuiop", "qwertzuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm"),
    *("poiuytreza", "mlkjhgfdsq", "poiuytrewq", "lkjhgfdsa", "1qaz2wsx3edc4rfv", "1q2w3e4r5t6y", "aqwzsxedc"),
)
"""Runs of neighbours: digits, letters, keys of French, English and German keyboards."""
# Pieces of the passwords that appear most often in published lists, in English and French.
_COMMON: Final = """
password passwort passe motdepasse mdp secret admin administrator administrateur root user
utilisateur login welcome bienvenue bonjour soleil doudou loulou chouchou coucou jetaime iloveyou
love amour marseille paris france football soccer basketball baseball princess princesse sunshine
dragon monkey shadow master superman batman starwars pokemon michael jordan ashley bailey charlie
daniel thomas nicolas julien camille trustno letmein whatever freedom hello computer ordinateur
internet samsung google facebook linkedin azerty qwerty qwertz changeme changer default defaut guest
invite test testing temp temporary summer winter spring autumn ete hiver printemps automne january
february march april june july august september october november december janvier fevrier mars avril
juin juillet aout septembre octobre novembre decembre lundi mardi mercredi jeudi vendredi samedi
dimanche monday tuesday wednesday thursday friday saturday sunday cheval chocolat vanille tigger
jesus blink nothing killer pepper ginger cookie flower hunter buster andrea jessica jennifer joshua
matrix mustang liverpool chelsea arsenal barcelona insitu city ville lab labo innovation metro
hopital hospital company
"""
_PIECES: Final = tuple(_COMMON.split())


def hash_password(password: str) -> str:
    """The argon2id hash to store instead of the password."""
    return _HASHER.hash(_normal(password))


def matches(password_hash: str, password: str) -> bool:
    """Takes a tenth of a second on purpose."""
    try:
        return _HASHER.verify(password_hash, _normal(password))
    except (VerificationError, InvalidHashError):
        return False


@cache
def nobody() -> str:
    """Checked if the login is unknown, so that the response time does not show which logins exist."""
    return hash_password(secrets.token_urlsafe(16))


def require_good_password(password: str, login: str) -> None:
    """Raises a CorrectInput with one of the sentences above for a password that is easy to guess."""
    normal = _normal(password)
    if len(normal) < LEAST:
        raise CorrectInput(TOO_SHORT)
    if len(normal) > MOST:
        raise CorrectInput(TOO_LONG)
    folded = _plain(normal)
    own = [part for part in {_plain(login), *re.split(r"[@._+-]", _plain(login))} if len(part) >= 3]
    if own and _distinct(_without(folded, own)) < _LEAST_OWN <= _distinct(folded):
        raise CorrectInput(TOO_LIKE_LOGIN)
    pieces = [*own, *_PIECES]
    read = [_without(_without_rows(text), pieces) for text in (folded, folded.translate(_LIKE_LETTERS))]
    if min(map(_distinct, read)) < _LEAST_OWN:
        raise CorrectInput(TOO_COMMON)


def _normal(password: str) -> str:
    """Keyboards write é as one sign or as two: both are the same password."""
    return unicodedata.normalize("NFC", password)


def _plain(text: str) -> str:
    """Lower case, without accents."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _without(text: str, pieces: list[str]) -> str:
    """`text` without the pieces, the longest ones first."""
    for piece in sorted(pieces, key=len, reverse=True):
        text = text.replace(piece, "")
    return text


def _without_rows(text: str) -> str:
    """`text` without runs of four or more neighbours, and without years and letters that repeat."""
    kept, position = [], 0
    while position < len(text):
        length = max(_run(text[position:], row) for row in _ROWS)
        if length < 4:
            kept.append(text[position])
        position += length if length >= 4 else 1
    return re.sub(r"(?:19|20)\d\d|(.)\1{2,}", "", "".join(kept))


def _run(text: str, row: str) -> int:
    """How many characters at the start of `text` follow each other in `row`."""
    length = 0
    while length < len(text) and text[: length + 1] in row:
        length += 1
    return length


def _distinct(text: str) -> int:
    """Different letters, signs and digits."""
    return len({letter for letter in text if not letter.isspace()})
