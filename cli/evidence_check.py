"""The questions of `check` about tampering: the audit log, the records, the guards, the signed heads, and
those outside who vouch for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli.policy import CannotAsk, LookAt
from insitu.errors import InsituError
from insitu.settings import load
from jobs.witness import HEADS_FILE
from store import witness as store
from store.audit import audit, chain_problem
from store.evidence import find_differences, find_missing_guards
from store.seals import count_sealed, count_waiting, find_changed_days, find_changed_facts
from trials.package.keys import list_keys
from trials.witness.authority import FARTHEST, split_authorities
from trials.witness.log import broken_statements, name_of
from trials.witness.package import LATE
from trials.witness.statements import ACTS, Signed
from trials.witness.tokens import Untrusted, check_token, load_roots

if TYPE_CHECKING:
    from cli.target import Target
    from store.database import Connection

_MOST: Final = 20
_PART: Final = 2_000_000
"""Rows of sealed days that one `check` recomputes: seconds."""


def check_chain(conn: Connection) -> str:
    lines = audit(conn)
    problem = chain_problem(lines)
    if problem:
        raise InsituError(problem)
    return f"unbroken, {len(lines)} lines"


def check_records(conn: Connection) -> str:
    _require_none(find_differences(conn))
    whose = "lock, unblinding, evaluation, decision, withdrawal, erasure, move and window"
    return f"each {whose} is as its line says"


def check_facts(conn: Connection) -> str:
    _require_none(find_changed_facts(conn))
    waiting = count_waiting(conn)
    if waiting:
        raise LookAt(f"{waiting} changes are not sealed yet: is `insitu work` (or `up`) running?")
    return "each registered row is as its last act left it"


def check_days(conn: Connection, *, deep: bool) -> str:
    sealed = count_sealed(conn)
    _require_none(find_changed_days(conn, most=sealed.rows if deep else _PART))
    if not sealed.days:
        return "no day is sealed yet; the job seals a day two nights after it ends"
    whole = deep or sealed.rows <= _PART
    part = "" if whole else f"; this was a part of about {_PART:,} rows, --deep reads all"
    return f"each of {sealed.days:,} days with {sealed.rows:,} rows is as it was sealed{part}"


def check_guards(conn: Connection) -> str:
    _require_none(find_missing_guards(conn))
    return "every trigger, constraint and function is there and as the migrations made it"


def _require_none(problems: Sequence[str]) -> None:
    if problems:
        more = f"; and {len(problems) - _MOST} more" if len(problems) > _MOST else ""
        raise InsituError(
            f"{'; '.join(problems[:_MOST])}{more}. Somebody changed the database past Insitu: compare it "
            "with a backup."
        )


def check_heads(conn: Connection, data_dir: Path) -> str:
    """Statements of the database and heads of the data directory against the log."""
    stated = store.list_statements(conn)
    kept = [Signed(one.document, one.public_key, one.signature) for one in stated]
    outside = read_heads(data_dir / HEADS_FILE)
    lines = {line.audit_id: line.sha256 for line in audit(conn)}
    problems = list(broken_statements(list(dict.fromkeys([*kept, *outside])), lines, own_keys(data_dir)))
    missing = [one for one in outside if one not in kept]
    problems += [f"{name_of(one.content())} is no longer in the database" for one in missing]
    _require_none(problems)
    waiting = store.list_unstated(conn, ACTS)
    if waiting:
        raise LookAt(
            f"{len(waiting)} acts are not signed yet, the first at line {waiting[0].audit_id}: is "
            "`insitu work` (or `up`) running?"
        )
    heads = sum(one.what == "head" for one in stated)
    return f"the log continues each of {heads} signed heads"


def own_keys(data_dir: Path) -> list[str]:
    """Public keys of this installation, replaced ones too; none if this account cannot read them."""
    try:
        return [one.public_key for one in list_keys(data_dir)] if (data_dir / "signing.key").is_file() else []
    except OSError:
        return []


def read_heads(path: Path) -> list[Signed]:
    """Signed heads, a line each; none if there is no such file."""
    try:
        texts = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return [Signed(**json.loads(text)) for text in texts if text.strip()]


def check_vouched(conn: Connection, target: Target) -> str:
    """Every token against the roots, and its time against that of the act."""
    settings = load()
    tokens = store.list_tokens(conn)
    if target.clock.is_simulated:
        raise CannotAsk("the time is simulated, so nobody outside vouches for it.")
    if not tokens and not split_authorities(settings.timestamp_urls):
        raise CannotAsk(
            "nobody outside vouches for the log, so somebody with the database and the signing key could "
            "write another one: set INSITU_TIMESTAMP_URLS (docs/proof.md), or keep `insitu audit head` "
            "elsewhere."
        )
    roots = load_roots(settings.timestamp_roots)
    stated = store.list_statements(conn)
    statements = {one.statement_id: one for one in stated}
    first: dict[int, datetime] = {}
    problems = []
    for token in tokens:
        statement = statements[token.statement_id]
        name = name_of(json.loads(statement.document))
        try:
            vouched = check_token(bytes(token.token), statement.document.encode(), roots)
        except Untrusted as error:
            problems.append(f"{name}, {token.authority}: {str(error).removesuffix('.')}")
            continue
        first[statement.statement_id] = min(vouched, first.get(statement.statement_id, vouched))
    problems += _too_early(stated, first)
    _require_none(problems)
    _require_timely(conn, stated, first)
    return f"others vouch for {len(first)} statements, as their time stamps say"


def _at(statement: store.StoredStatement) -> datetime:
    return datetime.fromisoformat(json.loads(statement.document)["at"])


def _too_early(statements: Sequence[store.StoredStatement], first: Mapping[int, datetime]) -> Iterator[str]:
    for one in statements:
        vouched = first.get(one.statement_id)
        if vouched is not None and vouched < _at(one) - FARTHEST:
            name = name_of(json.loads(one.document))
            yield f"{name} states a later time than its time stamp, {vouched:%Y-%m-%d %H:%M} UTC"


def _require_timely(
    conn: Connection, statements: Sequence[store.StoredStatement], first: Mapping[int, datetime]
) -> None:
    """Raises LookAt for acts whose first time stamp is late, and for requests without an answer."""
    late = [
        f"{name_of(json.loads(one.document))} was vouched for only on {vouched:%Y-%m-%d %H:%M} UTC"
        for one in statements
        if (vouched := first.get(one.statement_id)) is not None and vouched > _at(one) + LATE
    ]
    waiting = [
        f"{one.statements} statements wait for {one.authority} ({one.problem.removesuffix('.')})"
        for one in store.list_waiting(conn)
    ]
    if late:
        waiting.append("for the time before a late time stamp only the lab vouches")
    if late or waiting:
        raise LookAt("; ".join([*late[:_MOST], *waiting]) + ".")
