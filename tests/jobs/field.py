"""A field of devices whose signs of life a test writes by hand, at a time of its choice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from insitu.model import DatastreamRole, OrganisationKind, Role
from jobs.alerts import Watcher, look_and_tell
from store.access import add_person
from store.backups import BackupState
from store.catalogue.datastreams import add_datastream
from store.catalogue.deployments import deploy
from store.catalogue.devices import add_device
from store.catalogue.organisations import add_organisation
from store.catalogue.properties import add_property
from store.catalogue.sites import add_site
from store.catalogue.trials import add_trial
from store.database import Connection
from trials.workflow.watching import Look, OwnState

START = datetime(2026, 3, 2, tzinfo=UTC)
"""A Monday."""
EVERY = timedelta(minutes=15)
PARIS = ZoneInfo("Europe/Paris")
PEOPLE = {
    "lab": ("lab", Role.LAB),
    "operator": ("metro", Role.OPERATOR),
    "buyer": ("metro", Role.BUYER),
    "north": ("north-company", Role.COMPANY),
    "south": ("south-company", Role.COMPANY),
    "judge": ("judge", Role.EVALUATOR),
    "elsewhere": ("other-host", Role.OPERATOR),
}
"""Login → (organisation, role)."""
Line = tuple[str, str, str]
"""(login, kind, about whom)"""


@dataclass
class Field:
    """Trials `n` of north-company and `s` of south-company, at sites of the metro."""

    conn: Connection
    now: datetime = START
    devices: dict[str, int] = field(default_factory=dict)
    """TRIAL/DEVICE → number."""
    silent: set[str] = field(default_factory=set)
    watcher: Watcher = field(default_factory=lambda: Watcher(PARIS))
    out_since: datetime | None = None

    def look(self, *, disk: tuple[int, int] | None = None, backups: BackupState | None = None) -> Look | None:
        return look_and_tell(
            self.conn, self.now, OwnState(self.out_since, disk, backups), self.watcher, simulated=False
        )

    def heard(self, names: Iterable[str], at: datetime | None = None) -> None:
        """The devices send a message."""
        self.conn.execute(
            "INSERT INTO device_contact AS c (device_id, first_seen_at, last_seen_at, here_since, battery) "
            "SELECT d, %(at)s, %(at)s, %(at)s, 80 FROM unnest(%(devices)s::int[]) d "
            "ON CONFLICT (device_id) DO UPDATE SET last_seen_at = %(at)s, here_since = %(at)s",
            {"devices": [self.devices[name] for name in names], "at": at or self.now},
        )
        self.conn.commit()

    def facts(self, name: str, **facts: Any) -> None:
        """Battery, radio, state or clock of a device."""
        for column, value in facts.items():
            self.conn.execute(
                f"UPDATE device_contact SET {column} = %s WHERE device_id = %s".encode(),
                (value, self.devices[name]),
            )
        self.conn.commit()

    def run(self, until: timedelta, step: timedelta = EVERY) -> None:
        """Time passes: every device that is not silent sends, and somebody looks."""
        end = self.now + until
        while self.now < end:
            self.now += step
            if (self.now - START) % EVERY == timedelta():
                self.heard([name for name in self.devices if name not in self.silent])
            self.look()

    def alerts(self, login: str | None = None) -> list[Line]:
        """Every alert that was ever opened, in order."""
        found = self.conn.execute(
            "SELECT p.login, a.kind, coalesce(t.code || '/' || d.code, s.code, '') FROM alert a "
            "JOIN person p USING (person_id) LEFT JOIN device d USING (device_id) "
            "LEFT JOIN trial t ON t.trial_id = a.trial_id LEFT JOIN site s ON s.site_id = a.site_id "
            "WHERE %(login)s::text IS NULL OR p.login = %(login)s::text ORDER BY a.alert_id",
            {"login": login},
        ).fetchall()
        self.conn.rollback()
        return [(who, kind, about) for who, kind, about in found]

    def notices(self, login: str) -> list[tuple[str, str]]:
        """(event, kind) of every notice, in order."""
        found = self.conn.execute(
            "SELECT n.event, n.content->>'kind' FROM notice n JOIN alert_channel c USING (alert_channel_id) "
            "JOIN person p USING (person_id) WHERE p.login = %s ORDER BY n.notice_id",
            (login,),
        ).fetchall()
        self.conn.rollback()
        return [(event, kind) for event, kind in found]

    def still_open(self, login: str) -> int:
        ((number,),) = self.conn.execute(
            "SELECT count(*) FROM alert JOIN person USING (person_id) "
            "WHERE login = %s AND resolved_at IS NULL",
            (login,),
        ).fetchall()
        self.conn.rollback()
        return int(number)


def build_field(conn: Connection, north: int = 4, south: int = 2) -> Field:
    """`north` and `south`: devices of each company at the site `quay`; and one of north at `roof`."""
    made = Field(conn)
    kinds = {"lab": "lab", "metro": "host", "other-host": "host", "judge": "evaluator"}
    for code in ("lab", "metro", "other-host", "judge", "north-company", "south-company"):
        kind = OrganisationKind(kinds.get(code, "company"))
        add_organisation(conn, code=code, name=code, kind=kind, now=START)
    for code in ("quay", "roof"):
        add_site(conn, code=code, host="metro", name=f"The {code}", latitude=48.85, longitude=2.35)
    add_property(conn, code="pm25", name={"en": "PM2.5", "fr": "PM2,5"}, unit="ug/m3")
    for trial, company in (("n", "north-company"), ("s", "south-company")):
        title = {"en": f"Trial {trial}", "fr": f"Essai {trial}"}
        add_trial(conn, code=trial, title=title, host="metro", company=company, evaluator="judge", now=START)
    places = [("n", f"d{k}", "quay") for k in range(north)] + [("s", f"d{k}", "quay") for k in range(south)]
    for trial, code, site in [*places, ("n", "top", "roof")]:
        number = add_device(conn, trial=trial, code=code, now=START)
        deploy(conn, device_id=number, site=site, position=f"{trial}-{code}", start=START)
        add_datastream(
            conn,
            device_id=number,
            name="pm25",
            property="pm25",
            unit="ug/m3",
            role=DatastreamRole.CANDIDATE,
            expected_interval=EVERY,
        )
        made.devices[f"{trial}/{code}"] = number
    for login, (organisation, role) in PEOPLE.items():
        add_person(
            conn,
            login=login,
            name=login,
            organisation=organisation,
            password_hash="",
            now=START,
            role=role,
            language="en",
        )
        # results are not part of most fields
        conn.execute(
            "INSERT INTO alert_rule (person_id, kind, is_on, remind_hours) "
            "SELECT person_id, 'completeness', false, 24 FROM person WHERE login = %s",
            (login,),
        )
    conn.commit()
    made.heard(made.devices)
    made.look()
    return made


def add_webhook(made: Field, login: str, address: str = "https://example.org/a") -> int:
    """A channel of a person, that nobody needs to reach."""
    from store.access import viewer_of
    from trials.workflow.alert_acts import add_channel

    viewer = viewer_of(made.conn, login)
    number = add_channel(made.conn, viewer, "webhook", address, now=made.now, simulated=False).number
    made.conn.commit()
    return number
