"""`audit`: the lines of the audit log, its signed head to be kept elsewhere, and the proof that the log
continues a head.
"""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.actor import local_administrator
from cli.evidence_check import own_keys
from cli.options import JsonOption
from cli.output import say
from cli.reports import show, show_table
from cli.target import open_target
from insitu.errors import CorrectInput, Disagrees
from jobs.witness import sign_head
from store import witness as store
from store.audit import audit, chain_problem
from trials.package.keys import signing_key
from trials.witness.log import broken_statements, name_of
from trials.witness.statements import Signed
from trials.witness.tokens import Untrusted, check_token, load_roots

if TYPE_CHECKING:
    from store.database import Connection


def log(
    last: Annotated[int, typer.Option(min=1, help="How many lines.")] = 50, as_json: JsonOption = False
) -> None:
    """The last lines of the audit log: when, who, what."""
    _, conn = open_target("insitu audit log")
    with conn:
        lines = audit(conn)[-last:]
    show_table(
        lines,
        {
            "line": lambda one: one.audit_id,
            "when (UTC)": lambda one: one.at,
            "who": lambda one: one.login,
            "what": lambda one: one.action,
            "about": lambda one: one.subject,
            "detail": lambda one: json.dumps(one.detail, ensure_ascii=False)[:100],
        },
        empty="Nobody has done anything yet.",
        as_json=as_json,
    )


def head() -> None:
    """Print the signed head of the log as JSON, with its time stamps. With a copy elsewhere anybody can prove
    later that the log up to there was not changed: `insitu audit verify --head FILE`.
    """
    target, conn = open_target("insitu audit head")
    with conn:
        data_dir = target.data_dir
        found = sign_head(conn, target.clock.now(), data_dir, signing_key(data_dir))
        if found is None:
            raise CorrectInput(f"The audit log is empty: {local_administrator()} has done nothing yet.")
        document = {
            "document": found.document,
            "public_key": found.public_key,
            "signature": found.signature,
            "tokens": _tokens_of(conn, found),
        }
    show(document, [json.dumps(document, indent=1, ensure_ascii=False)], as_json=False)


def _tokens_of(conn: Connection, head: Signed) -> dict[str, str]:
    """Authority → token in base64."""
    last = store.last_head(conn)
    number = last.statement_id if last is not None and last.document == head.document else None
    return {
        one.authority: base64.b64encode(one.token).decode()
        for one in store.list_tokens(conn)
        if one.statement_id == number
    }


def verify(
    head: Annotated[Path, typer.Option(help="A file that `insitu audit head` wrote earlier.")],
    tsa_root: Annotated[
        Path | None, typer.Option(help="Root certificates (PEM) for the time stamps in it.")
    ] = None,
) -> None:
    """Prove that the log as it is now continues an earlier head: no line up to there was changed or cut."""
    kept = _read(head)
    signed = Signed(kept["document"], kept["public_key"], kept["signature"])
    target, conn = open_target("insitu audit verify")
    with conn:
        lines = audit(conn)
    problems = [text] if (text := chain_problem(lines)) is not None else []
    hashes = {line.audit_id: line.sha256 for line in lines}
    problems += broken_statements([signed], hashes, own_keys(target.data_dir))
    if problems:
        raise Disagrees("; ".join(problems) + ".")
    say(f"The log continues {name_of(signed.content())}; since then {_since(signed, len(lines))}.")
    for authority, token in kept.get("tokens", {}).items():
        say(_vouched(authority, token, signed, tsa_root))


def _since(signed: Signed, lines: int) -> str:
    number = lines - int(signed.content()["lines"])
    return f"{number} line{'s' if number != 1 else ''} came"


def _vouched(authority: str, token: str, signed: Signed, roots: Path | None) -> str:
    try:
        when = check_token(base64.b64decode(token), signed.document.encode(), load_roots(roots))
    except (Untrusted, binascii.Error) as error:
        raise Disagrees(f"{authority}: {error}") from error
    return f"{authority} vouches that it existed on {when:%Y-%m-%d %H:%M:%S} UTC."


def _read(path: Path) -> dict[str, Any]:
    try:
        kept = json.loads(path.read_text("utf-8"))
        if not all(isinstance(kept[name], str) for name in ("document", "public_key", "signature")):
            raise ValueError("it is no head")
        json.loads(kept["document"])["lines"]
    except OSError as error:
        raise CorrectInput(f"Cannot read {path} ({error.strerror}).") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CorrectInput(f"{path} is no file of `insitu audit head` ({error}).") from error
    return dict(kept)
