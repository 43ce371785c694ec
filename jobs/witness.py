"""Signs the head of the audit log, and asks time-stamping authorities to vouch for it."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from insitu.clock import SYSTEM, Clock
from insitu.errors import RetryLater
from jobs.evaluations import Night
from store import witness as store
from store.database import Connection
from trials.package.keys import signing_key
from trials.witness.authority import ask
from trials.witness.statements import ACTS, HEAD, Signed, sign, state_head, state_line
from trials.witness.tokens import Untrusted, load_roots

log = logging.getLogger("insitu.jobs")

HEADS_FILE: Final = "heads.jsonl"
"""In the data directory: each signed head again, outside the database."""
_AT_A_TIME: Final = 20
_MOST_WAITING: Final = 10_000


@dataclass(frozen=True, slots=True)
class Witness:
    """`data_dir` holds the signing key; `authorities` are asked. `roots`: PEM file; None: the system's."""

    data_dir: Path
    authorities: Sequence[str] = ()
    roots: Path | None = None


def vouch_when_due(
    conn: Connection, clock: Clock, night: Night, witness: Witness, stop: threading.Event
) -> None:
    """Sign what is new, then ask each authority for what it has not vouched for. Commits.

    A simulated time is signed, but nobody is asked to vouch for it.
    """
    if not store.is_only_worker(conn):
        conn.rollback()
        return
    today = night.begun(clock)
    if sign_new(conn, clock.now(), witness.data_dir, night=night, today=today) is None:
        conn.rollback()
    if clock.is_simulated or not witness.authorities:
        return
    for authority in witness.authorities:
        if not stop.is_set():
            _ask_for_due(conn, authority, load_roots(witness.roots), stop)


def sign_new(
    conn: Connection, now: datetime, data_dir: Path, *, night: Night, today: str | None
) -> Signed | None:
    """Signs each act that is no statement yet, and a new head after such an act or once a night. Commits if
    it signs; returns the head.
    """
    acts = store.list_unstated(conn, ACTS)
    last = store.last_head(conn)
    if not acts and not _is_night(conn, last, night, today):
        return None
    key = signing_key(data_dir)
    for line in acts:
        document = state_line(
            what=line.action,
            line=line.audit_id,
            sha256=line.sha256,
            at=line.at,
            by=line.login,
            subject=line.subject,
            detail=line.detail,
        )
        _save(conn, line.action, line.audit_id, sign(document, key))
    return sign_head(conn, now, data_dir, key)


def _is_night(conn: Connection, last: store.StoredStatement | None, night: Night, today: str | None) -> bool:
    """True if the night has come and the log has grown since the last head of an earlier day."""
    end = store.audit_end(conn)
    if today is None or end is None:
        return False
    if last is None:
        return True
    at = datetime.fromisoformat(json.loads(last.document)["at"])
    return end.audit_id > last.audit_id and at.astimezone(night.zone).date().isoformat() < today


def sign_head(conn: Connection, now: datetime, data_dir: Path, key: Ed25519PrivateKey) -> Signed | None:
    """A statement about the present end of the log; the last one if the log has not grown; None while it is
    empty. Commits, then writes it into the data directory too.
    """
    end, last = store.audit_end(conn), store.last_head(conn)
    if end is None:
        return None
    if last is not None and last.audit_id == end.audit_id:
        conn.commit()
        return Signed(last.document, last.public_key, last.signature)
    previous = hashlib.sha256(last.document.encode()).hexdigest() if last else ""
    document = state_head(line=end.audit_id, lines=end.lines, sha256=end.sha256, at=now, previous=previous)
    head = sign(document, key)
    _save(conn, HEAD, end.audit_id, head)
    conn.commit()
    with (data_dir / HEADS_FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(head), ensure_ascii=False) + "\n")
    return head


def _save(conn: Connection, what: str, audit_id: int, signed: Signed) -> None:
    store.add_statement(
        conn,
        what=what,
        audit_id=audit_id,
        document=signed.document,
        public_key=signed.public_key,
        signature=signed.signature,
    )


def _ask_for_due(
    conn: Connection, authority: str, roots: Sequence[x509.Certificate], stop: threading.Event
) -> None:
    """One request after the other, no transaction open meanwhile. An authority that does not answer gets a
    pause for all of them.
    """
    due = store.list_due(conn, authority, now=SYSTEM.now(), most=_AT_A_TIME)
    conn.rollback()
    for statement in due:
        if stop.is_set():
            return
        try:
            token = ask(authority, statement.document.encode(), roots, now=SYSTEM.now())
        except Untrusted as error:
            log.error("%s: %s", authority, error)
            _save_failures(conn, authority, [statement], str(error))
        except RetryLater as error:
            log.warning("%s It is asked again later.", error)
            waiting = store.list_due(conn, authority, now=SYSTEM.now(), most=_MOST_WAITING)
            _save_failures(conn, authority, waiting, str(error))
            return
        else:
            store.save_token(
                conn,
                statement_id=statement.statement_id,
                authority=authority,
                token=token.content,
                vouched_at=token.vouched_at,
            )
            conn.commit()


def _save_failures(
    conn: Connection, authority: str, statements: Sequence[store.StoredStatement], problem: str
) -> None:
    for one in statements:
        store.save_failure(
            conn, statement_id=one.statement_id, authority=authority, problem=problem, now=SYSTEM.now()
        )
    conn.commit()
