"""`enrol --every`: what a person writes for the planned time between two results."""

from __future__ import annotations

import pytest

from insitu.errors import CorrectInput
from insitu.spacing import Spacing
from store.catalogue.datastreams import list_datastreams
from store.database import Connection
from tests.cli.calling import Told, call
from tests.fix_catalogue import SmallTrial


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ((), "PT15M"),
        (("--every", "60"), "PT1M"),
        (("--every", "0.5"), "PT0.5S"),
        (("--every", "PT1H"), "PT1H"),
        (("--every", "P1D"), "P1D"),
        (("--every", "P1M"), "P1M"),
    ],
)
def test_a_new_device_has_the_interval_that_was_written(
    conn: Connection, catalogue: SmallTrial, told_here: Told, written: tuple[str, ...], meant: str
) -> None:
    conn.commit()
    assert "token" in told_here("enrol", "t", "fresh", "--measure", "pm25", *written)
    (found,) = [one for one in list_datastreams(conn, "t") if one.device == "fresh"]
    assert found.every() == Spacing.parse(meant)


@pytest.mark.parametrize("written", ["0", "-60", "nan", "15 min", "PT", "P1M15D", "1e9", "99999999999"])
def test_what_is_no_interval_is_refused_before_anything_is_made(
    conn: Connection, catalogue: SmallTrial, told_here: Told, written: str
) -> None:
    conn.commit()
    with pytest.raises(CorrectInput, match=r"^--every: "):
        call("enrol", "t", "fresh", "--measure", "pm25", f"--every={written}")
    assert not [one for one in list_datastreams(conn, "t") if one.device == "fresh"]
