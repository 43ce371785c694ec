"""A first start whose database refuses its own passwords, or names a damaged file."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from cli.clerk import Facts
from cli.mending import Mending
from cli.supervision import Part
from insitu.embedded.postgres import Postgres
from insitu.errors import CorrectInput, InsituError, RestoreBackup, UpgradeInsitu


class Database:
    """Stands for the server and its part: keeps what was asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.found: InsituError | None = None
        self.runs, self.running_since = True, 10.0

    def damage(self) -> InsituError | None:
        return self.found

    def renew_passwords(self) -> None:
        self.asked.append("passwords")

    def replace(self, why: str) -> None:
        self.asked.append(why)


def looked(database: Database, mending: Mending, facts: Facts) -> None:
    mending.look(facts, cast(Part, database))


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def mending(database: Database) -> Mending:
    return Mending(cast(Postgres, database), Path("/data"))


def test_refused_passwords_are_renewed_once_and_then_a_person_must_look(
    database: Database, mending: Mending
) -> None:
    looked(database, mending, Facts(problem="starting"))
    assert database.asked == []
    looked(database, mending, Facts(problem="refused", refused_at=11.0))
    renewed = ["passwords", "It refuses the passwords in postgres-*.secret: new ones are drawn."]
    assert database.asked == renewed
    database.runs, database.running_since = False, 0.0  # it is being replaced
    looked(database, mending, Facts(problem="refused", refused_at=11.0))
    database.runs, database.running_since = True, 20.0
    looked(database, mending, Facts(problem="refused", refused_at=11.0))  # an answer of before
    assert database.asked == renewed
    with pytest.raises(CorrectInput, match=r"/data/pg/pg_hba\.conf"):
        looked(database, mending, Facts(problem="refused", refused_at=21.0))


def test_damage_ends_the_first_start_and_a_restore_under_way_is_none(
    database: Database, mending: Mending
) -> None:
    database.found = RestoreBackup("global/1262 is damaged")
    looked(database, mending, Facts())
    looked(database, mending, Facts(problem="A dump is being put back.", restoring=True))
    with pytest.raises(RestoreBackup, match="1262"):
        looked(database, mending, Facts(problem="The database does not answer."))


def test_what_the_clerk_cannot_wait_for_ends_it(database: Database, mending: Mending) -> None:
    with pytest.raises(UpgradeInsitu):
        looked(database, mending, Facts(fatal=UpgradeInsitu()))
