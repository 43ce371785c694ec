"""Makes docs/access.md from the table of rights and the acts of the routes."""

from __future__ import annotations

from api.acts import ACTS
from insitu.model import OrganisationKind, Role
from store.rights import RIGHTS, Reach

_HEAD = """# Access: who may do what

Made from `store/rights.py` and `api/acts.py` by the tests: `pytest tests/api/test_rights.py --write-access`.
A test asks every route as every role: as a party of the trial, as its neighbour, as a stranger, and without
signing in.

For you, something that you may not see does not exist: the answer is 404, not "forbidden".

## Roles
A person has one role. `[[person]]` in the programme file states it (`role = "buyer"`); without it, the first
one counts.

| organisation | roles of its people |
|---|---|
"""
_RIGHTS = """
- An **operator** looks after devices at the sites of its host, of any company, and sees no results.
- A **buyer** reads protocol, verdict, report and package of the trials of its host, and decides: buy, iterate
  or stop. The report shows the series that count; single results are not for buyers. With a blinded endpoint
  there is no package, and no decision, before it is unblinded.
- An **auditor** reads everything but the content of refused messages, which may be personal, and changes
  nothing.

## Rights
*own*: trials in which the organisation is host, company or evaluator. *sites*: also trials with a device at
one of its sites, and only the devices at its sites. *any*: every trial.

"""
_NET = """
## A net below
The queries decide what a page reads. Below them PostgreSQL limits the rows, in case a query forgets to ask
for whom. While a page, a file or a stream is read, the session acts as the role `insitu_pages`. It can only
read, and sees only rows of the reader's trials: trial, device, deployment, datastream, protocol, evaluation,
unblinding, decision, steps, rejects, ledger, audit log. Without a reader it sees none. It never sees hashes
of passwords, secrets of second factors, recovery codes or tokens of another sign-in.

- Before all of this: a person whose role needs a second factor (`INSITU_TOTP_REQUIRED`) and who has none
  reaches only the page that adds one.
- Acts, which a form or `POST` sends, have the rights of the service once the table has allowed them. So has
  `/metrics`.
- Observations and the other tables rest on the queries, because TimescaleDB has no row-level security on
  compressed tables.
- The account of the running parts, `insitu_service`, owns no table and sees every row. It cannot change what
  stays as it was written, nor switch off a guard ([proof.md](proof.md#what-the-lab-could-still-do)).
- On a database server of your own whose account may not create roles, an administrator runs
  `CREATE ROLE insitu_pages NOLOGIN; GRANT insitu_pages TO` the account of the parts, then `insitu migrate`.
  `insitu check` says whether the net is there.
"""
_ROUTES = """## Routes
The act of each address. A person whose role reaches no trial is refused at once; then the trial in the
address decides.

| act | addresses |
|---|---|
"""


def access_page() -> str:
    kinds = [f"| {kind} | {', '.join(kind.roles)} |" for kind in OrganisationKind]
    head = ["| act | | " + " | ".join(Role) + " |", "|---|---|" + "---|" * len(Role)]
    rights = [
        f"| {act} | {right.covers} | " + " | ".join(_word(right.reach[role]) for role in Role) + " |"
        for act, right in RIGHTS.items()
    ]
    routes = [
        f"| {act} | " + ", ".join(f"`{route}`" for route, of in ACTS.items() if of is act) + " |"
        for act in RIGHTS
        if act in ACTS.values()
    ]
    return "\n".join(
        [
            _HEAD + "\n".join(kinds),
            _RIGHTS + "\n".join([*head, *rights]),
            _NET,
            _ROUTES + "\n".join(routes),
            "",
        ]
    )


def _word(reach: Reach) -> str:
    return "–" if reach is Reach.NONE else reach.name.lower()
