"""Logins: an e-mail address or a short name, stored and compared in one form (NFC, case-folded)."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from insitu.errors import CorrectInput

LONGEST_LOGIN: Final = 254
"""Characters; the longest e-mail address that mail servers accept (RFC 5321)."""
_LONGEST_NAME: Final = 64
_NAME: Final = re.compile(r"\w(?:[\w.-]*\w)?")
_MAILBOX: Final = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*")
_LABEL: Final = re.compile(r"[^\W_](?:[^\W_]|-){0,61}[^\W_]|[^\W_]")


def fold_login(text: str) -> str:
    """The form in which logins are stored and compared: without blanks around it, NFC, case-folded."""
    folded = unicodedata.normalize("NFC", text.strip()).casefold()
    return unicodedata.normalize("NFC", folded)


def require_login(text: str) -> str:
    """The stored form of a new login. Raises a CorrectInput that says what a login looks like."""
    login = fold_login(text)
    if not (_is_address(login) if "@" in login else _is_name(login)) or not _is_latin(login):
        raise CorrectInput(
            f"{text.strip()[:80]!r} cannot be a login: use an e-mail address, or 1 to 64 letters, digits, "
            "'.', '-' and '_'."
        )
    return login


def _is_name(login: str) -> bool:
    return len(login) <= _LONGEST_NAME and _NAME.fullmatch(login) is not None


def _is_address(login: str) -> bool:
    """The syntax alone: a mailbox without quotes, and a domain of at least two labels."""
    mailbox, _, domain = login.rpartition("@")
    labels = domain.split(".")
    return (
        len(login) <= LONGEST_LOGIN
        and len(mailbox.encode()) <= 64
        and _MAILBOX.fullmatch(mailbox) is not None
        and len(labels) >= 2
        and all(_LABEL.fullmatch(label) for label in labels)
        and not labels[-1].isdecimal()
    )


def _is_latin(login: str) -> bool:
    """Letters of other scripts look like Latin ones: two people could seem to have the same login."""
    return all(
        letter.isascii() or unicodedata.name(letter, "").startswith("LATIN SMALL LETTER") for letter in login
    )
