"""The rights of each role, in one table. Routes, pages, streams, files and verbs with a login ask it;
docs/access.md and the test of every route are made from it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from insitu.model import Role


class Reach(IntEnum):
    """The trials to which a right extends; each includes the ones before it."""

    NONE = 0
    OWN = 1
    """Trials in which the person's organisation is the host, the company or the evaluator."""
    SITES = 2
    """Also trials with a device at a site of the organisation; of devices only those at its sites."""
    ANY = 3


class Act(StrEnum):
    SIGN_IN = "sign in"
    SEE_TRIAL = "see a trial"
    SEE_HEALTH = "see health"
    LOOK_AFTER = "look after devices"
    READ_PROTOCOL = "read the protocol"
    READ_EVALUATIONS = "read evaluations"
    READ_MEASUREMENTS = "read measurements"
    READ_IMPORTS = "list imports"
    LIST_REJECTS = "list rejects"
    READ_BYTES = "read the bytes of rejects"
    CHECK_DRAFT = "check a draft"
    LOCK = "lock a protocol"
    UNBLIND = "unblind an endpoint"
    DECIDE = "decide"
    WITHDRAW = "withdraw an import"
    REPLAY = "replay rejects"
    CONNECT = "connect devices"
    MAP = "map payloads"
    IMPORT = "import results"
    RUN_PROGRAMME = "run the programme"
    MANAGE_SITES = "manage sites"
    DECLARE = "declare windows"
    EVALUATE = "evaluate"
    READ_RETENTION = "read the retention"
    SET_RETENTION = "set the retention"
    MANAGE_PEOPLE = "manage people"
    READ_AUDIT = "read the audit log"
    READ_METRICS = "read metrics"


TABLE: Final = """\
act                        lab  operator  buyer  evaluator  company  auditor  covers
sign in                    any  any       any    any        any      any      own session, start page, lists
see a trial                any  sites     own    own        own      any      title, parties, state and steps
see health                 any  sites     own    own        own      any      devices, gaps, message counts
look after devices         any  sites     -      own        own      -        trouble waits on the start page
read the protocol          any  own       own    own        own      any      versions, mappings, agreement
read evaluations           any  -         own    own        own      any      verdict, report, decision
read measurements          any  -         -      own        own      any      results, charts, exports
list imports               any  -         -      own        own      any      files and pulls
list rejects               any  -         -      own        own      any      refused messages one by one
read the bytes of rejects  any  -         -      own        own      -        and the values in their details
check a draft              any  -         -      own        own      -        of a protocol; stores nothing
lock a protocol            any  -         -      own        -        -        and keep its draft
unblind an endpoint        -    -         -      own        -        -        on the page and over the API
decide                     any  -         own    -          -        -        the lab on behalf of the host
withdraw an import         any  -         -      -          own      -        with a reason
replay rejects             any  -         -      -          own      -        refused messages, once more
connect devices            any  -         -      -          own      -        credentials, sensors, swaps
map payloads               any  -         -      -          own      -        try on rejects, and save
import results             any  -         -      own        own      -        from a file
run the programme          any  -         -      -          -        -        trials, parties, needs, life
manage sites               any  own       -      -          -        -        of the own organisation
declare windows            any  sites     -      -          own      -        also afterwards, marked so
evaluate                   any  -         -      own        -        -        by the locked protocol
read the retention         any  -         own    own        own      any      purpose, days, erasures
set the retention          any  -         -      -          -        -        for a trial, with its purpose
manage people              any  -         -      -          -        -        or their own, if marked
read the audit log         any  -         -      -          -        any      every line
read metrics               any  -         -      -          -        any      of the installation
"""
"""How far each role reaches in each act; `-` is not at all, and `covers` a text for docs/access.md."""


@dataclass(frozen=True, slots=True)
class Right:
    reach: dict[Role, Reach]
    covers: str


def read_table(text: str) -> dict[Act, Right]:
    """Cells are apart by two spaces or more. Raises if a role has no column, or an act no row."""
    names, *lines = (re.split(r" {2,}", line) for line in text.splitlines())
    rights = {}
    for line in lines:
        cells = dict(zip(names, line, strict=True))
        reach = {role: Reach[cells[role].replace("-", "none").upper()] for role in Role}
        rights[Act(cells["act"])] = Right(reach, cells["covers"])
    if len(rights) < len(Act):
        raise KeyError(f"store.rights has no row for {sorted(set(Act) - set(rights))}")
    return rights


RIGHTS: Final = read_table(TABLE)
PARTY: Final[dict[Role, str]] = {
    Role.OPERATOR: "host",
    Role.BUYER: "host",
    Role.EVALUATOR: "evaluator",
    Role.COMPANY: "company",
}
"""The part in a trial that makes it the role's own; the lab and auditors have none."""
