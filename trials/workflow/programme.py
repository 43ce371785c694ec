"""The lab's programme: entering organisations, sites, properties, needs and trials, and changing them. Each
act leaves a line in the audit log; the caller owns the transaction.

`viewer` None: the local administrator, who may do everything. `by`: who acts, as the log names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from insitu.errors import AlreadyExists, CorrectInput, NotFound
from store.access import Viewer
from store.audit import record
from store.catalogue.entries import amend, compare, require_version
from store.catalogue.organisations import (
    add_need,
    add_organisation,
    find_organisation,
    list_organisations,
)
from store.catalogue.properties import add_property, agree_on_scale
from store.catalogue.sites import add_site, list_host_sites
from store.catalogue.trials import Trial, add_trial
from store.database import Connection
from store.rights import Act, Reach
from trials.workflow.entries import (
    Named,
    NeedEntry,
    OrganisationEntry,
    PropertyEntry,
    SiteEntry,
    TrialEntry,
)


class Done(NamedTuple):
    """`changes`: each difference in words; None if the entry is new."""

    kind: str
    code: str
    changes: list[str] | None


def enter(conn: Connection, entry: Named, *, viewer: Viewer | None, by: str, now: datetime) -> Done:
    """Enter what is new. Raises AlreadyExists for a code that is there, NotFound for a person without the
    right.
    """
    require_right_to(conn, viewer, entry, now)
    with conn.transaction():
        _add(conn, entry, now)
        facts = entry.model_dump(mode="json", exclude_none=True)
        action = f"enter {entry.kind_of_entry}"
        record(conn, at=now, login=by, action=action, subject=entry.code, detail=facts)
    return Done(entry.kind_of_entry, entry.code, None)


def change(
    conn: Connection,
    entry: Named,
    *,
    viewer: Viewer | None,
    by: str,
    now: datetime,
    expected: str | None = None,
) -> Done:
    """Change an entry to what is stated; fields that are not stated stay. `expected`: the version that
    somebody read.

    CorrectInput names each field that cannot change, and nothing changes then; NotFound if there is no such
    entry, ChangedMeanwhile if it has another version by now.
    """
    require_right_to(conn, viewer, entry, now)
    kind, code = entry.kind_of_entry, entry.code
    with conn.transaction():
        compare(conn, kind, code, {})
        require_version(conn, kind, code, expected)
        named = isinstance(entry, PropertyEntry) and _name_scale(conn, entry, by=by, now=now)
        found = compare(conn, kind, code, entry.stated())
        changes = list(map(str, found))
        if changes:
            amend(conn, kind, code, found)
            detail = {"changes": changes}
            record(conn, at=now, login=by, action=f"change {kind}", subject=code, detail=detail)
    return Done(kind, code, [named, *changes] if named else changes)


def change_trial(
    conn: Connection,
    trial: Trial,
    stated: Mapping[str, Any],
    *,
    viewer: Viewer,
    by: str,
    now: datetime,
    expected: str | None = None,
) -> Done:
    """The same for what is stated of a trial; its parties of before stay. Raises also CorrectInput for fields
    that are none.
    """
    codes = {one.organisation_id: one.code for one in list_organisations(conn)}
    known = {"code": trial.code, "title": trial.title}
    known |= {"host": codes[trial.host_id], "company": codes[trial.company_id]}
    entry = TrialEntry.read({**known, **stated})
    return change(conn, entry, viewer=viewer, by=by, now=now, expected=expected)


def enter_or_change(conn: Connection, entry: Named, *, by: str, now: datetime) -> Done:
    """As a file is read that lists everything: new entries are entered, others compared."""
    try:
        return enter(conn, entry, viewer=None, by=by, now=now)
    except AlreadyExists:
        return change(conn, entry, viewer=None, by=by, now=now)


def require_right_to(conn: Connection, viewer: Viewer | None, entry: Named, now: datetime) -> None:
    """Raises NotFound unless the person runs the programme; of sites, a host's person manages those of the
    own organisation.
    """
    if viewer is None:
        return
    allowed = viewer.may(Act.RUN_PROGRAMME)
    if isinstance(entry, SiteEntry):
        host = find_organisation(conn, entry.host)
        allowed = may_manage_sites_of(viewer, None if host is None else host.organisation_id)
        known = list_host_sites(conn, None, now=now, code=entry.code)
        allowed = allowed and all(may_manage_sites_of(viewer, site.host_id) for site in known)
    if not allowed:
        raise NotFound(f"There is no {entry.kind_of_entry} {entry.code!r} that you may enter or change.")


def may_manage_sites_of(viewer: Viewer, host_id: int | None) -> bool:
    """Whether this person enters and changes the sites of a host."""
    reach = viewer.reach(Act.MANAGE_SITES)
    return reach is Reach.ANY or (reach > Reach.NONE and host_id == viewer.organisation_id)


def _add(conn: Connection, entry: Named, now: datetime) -> None:
    given: dict[str, Any] = dict(entry)
    match entry:
        case OrganisationEntry():
            add_organisation(conn, now=now, **given)
        case SiteEntry():
            add_site(conn, **given)
        case PropertyEntry():
            _require_sound(entry)
            add_property(conn, **given)
        case NeedEntry():
            add_need(conn, now=now, **{**given, "description": entry.description or {}})
        case TrialEntry():
            add_trial(conn, now=now, **given)
        case _:
            raise CorrectInput(f"Nobody enters a {entry.kind_of_entry} like this.")


def _require_sound(entry: PropertyEntry) -> None:
    if problems := list(entry.problems()):
        raise CorrectInput("; ".join(problems))


def _name_scale(conn: Connection, entry: PropertyEntry, *, by: str, now: datetime) -> str:
    """Gives a property that was registered without a word about it its averaging scale; says so in words."""
    _require_sound(entry)
    if not agree_on_scale(conn, entry.code, entry.averaging_scale):
        return ""
    detail = {"scale": str(entry.averaging_scale)}
    record(conn, at=now, login=by, action="name scale", subject=entry.code, detail=detail)
    return f"averaging scale {entry.averaging_scale}, where there was none; evaluate its trials again"
