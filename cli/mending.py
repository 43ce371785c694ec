"""A first start that meets a database it cannot use: refused passwords are drawn again, damage is named."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from cli.clerk import Facts
from cli.supervision import Part
from insitu.embedded.postgres import Postgres
from insitu.errors import CorrectInput

_LOOK_S: Final = 1.0


class Mending:
    """Of one installation, until its schema is current."""

    def __init__(self, postgres: Postgres, data_dir: Path) -> None:
        self._postgres, self._data_dir = postgres, data_dir
        self._renewed = False
        self._looked_at = 0.0

    def look(self, facts: Facts, database: Part) -> None:
        """Raises what a person must do: what the clerk met, or a damaged file that the log of the running
        database names. Restarts it with new passwords, once, if it refuses those of the secret files: one was
        edited, or comes from another installation.
        """
        if facts.fatal is not None:
            raise facts.fatal
        if not database.runs:
            return
        now = time.monotonic()
        if facts.problem is not None and not facts.restoring and now - self._looked_at > _LOOK_S:
            self._looked_at = now
            damage = self._postgres.damage()
            if damage is not None:
                raise damage
        if facts.refused_at <= database.running_since:
            return
        if self._renewed:
            raise CorrectInput(
                "The database refuses passwords that it was just given: correct "
                f"{self._data_dir}/pg/pg_hba.conf, where local sockets need the method scram-sha-256, then "
                "start again."
            )
        self._renewed = True
        self._postgres.renew_passwords()
        database.replace("It refuses the passwords in postgres-*.secret: new ones are drawn.")
