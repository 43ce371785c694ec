"""The draft that the people of a trial write together: kept, thrown away, and gone once it is locked. The
caller owns the transaction.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from insitu.errors import ChangedMeanwhile, CorrectInput, NotFound
from store.access import Viewer
from store.audit import record
from store.catalogue.trials import Trial
from store.database import Connection
from store.drafts import StoredDraft, hold_draft, remove_draft, save_draft
from store.rights import Act
from trials.plan.reading import WrongProtocol, digest, document_of, read_protocol

MOST_TEXT: Final = 400_000
"""Characters of a draft."""
ANY: Final = "*"
"""In the place of a tag: whatever is there."""


def keep_draft(
    conn: Connection,
    trial: Trial,
    text: str,
    *,
    expected: str | None,
    viewer: Viewer | None = None,
    by: str = "",
    now: datetime,
) -> StoredDraft:
    """Keep the text as the draft of the trial. `expected`: the tag of the draft that the writer began with;
    None: there was none. `viewer` None: somebody whose right was asked for before, named by `by`.

    Raises NotFound for a person who may not lock, ChangedMeanwhile if the draft is another one by now. A text
    that is there already changes nothing.
    """
    known = _held(conn, trial, expected, viewer)
    _require_storable(text)
    if known is not None and known.text == text:
        return known
    who = _name_of(viewer, by)
    save_draft(conn, trial.code, text=text, login=who, now=now)
    kept = StoredDraft(text, now, who)
    detail = {"text": kept.tag}
    record(conn, at=now, login=who, action="keep draft", subject=trial.code, detail=detail)
    return kept


def drop_draft(
    conn: Connection,
    trial: Trial,
    *,
    expected: str | None,
    viewer: Viewer | None = None,
    by: str = "",
    now: datetime,
) -> None:
    """Throw the draft away. Raises as `keep_draft` does, and NotFound if there is none."""
    known = _held(conn, trial, expected, viewer)
    if known is None:
        raise NotFound(f"{trial.code} has no draft.")
    remove_draft(conn, trial.code)
    detail = {"text": known.tag}
    who = _name_of(viewer, by)
    record(conn, at=now, login=who, action="drop draft", subject=trial.code, detail=detail)


def end_draft(conn: Connection, trial: str, locked_sha256: str) -> None:
    """Take the draft away that is locked now. One that says something else stays, as the work of somebody."""
    known = hold_draft(conn, trial)
    if known is not None and _sha256_of(known.text) == locked_sha256:
        remove_draft(conn, trial)


def _sha256_of(text: str) -> str | None:
    """The hash that the text would be locked with; None if it is no protocol."""
    try:
        return digest(document_of(read_protocol(text)))
    except WrongProtocol:
        return None


def _name_of(viewer: Viewer | None, by: str) -> str:
    return by if viewer is None else viewer.login


def _held(conn: Connection, trial: Trial, expected: str | None, viewer: Viewer | None) -> StoredDraft | None:
    if viewer is not None and not viewer.may(Act.LOCK, trial):
        raise NotFound(f"There is no draft of {trial.code!r} that you may change.")
    known = hold_draft(conn, trial.code)
    tag = None if known is None else known.tag
    if expected not in (ANY, tag):
        raise ChangedMeanwhile(_changed(trial, known, expected))
    return known


def _changed(trial: Trial, known: StoredDraft | None, expected: str | None) -> str:
    if known is None:
        return (
            f"The draft of {trial.code} was locked or thrown away meanwhile: read the trial again, and send "
            "yours without If-Match to begin another one."
        )
    when = f"{known.changed_by} changed it on {known.changed_at:%Y-%m-%d at %H:%M} UTC"
    if expected is None:
        return f"{trial.code} has a draft already; {when}. Read it first, and send its ETag as If-Match."
    return (
        f"The draft of {trial.code} is another one by now: {when}. Read it again, bring your changes "
        "into it, and send its ETag as If-Match."
    )


def _require_storable(text: str) -> None:
    if not text.strip():
        raise CorrectInput("This draft is empty: write something, or throw the draft away.")
    if len(text) > MOST_TEXT:
        raise CorrectInput(f"A draft has at most {MOST_TEXT:,} characters, and this one has {len(text):,}.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise CorrectInput(f"Character {error.start + 1} of this draft is none: take it out.") from error
    if "\0" in text:
        raise CorrectInput("This draft has a character NUL, which no text can hold: take it out.")
