"""`[[datastream]]` of a registration: interval and stamp of a datastream that no mapping made."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cli.mapping import DatastreamEntry, MappingEntry, enter_datastream
from insitu.errors import CorrectInput
from insitu.model import Stamp
from insitu.spacing import Spacing
from store.audit import audit
from store.catalogue.datastreams import list_datastreams
from store.database import Connection
from store.mapping import new_mapping
from store.mappings import replace_mappings
from tests.fix_catalogue import START, SmallTrial


def entry(**more: Any) -> DatastreamEntry:
    return DatastreamEntry.model_validate({"trial": "t", "device": "a", "field": "pm25", **more})


def declared(conn: Connection) -> tuple[Spacing | None, Stamp]:
    (found,) = [s for s in list_datastreams(conn, "t") if (s.device, s.name) == ("a", "pm25")]
    return found.every(), found.stamp


def test_it_declares_interval_and_stamp_once_and_the_audit_log_keeps_it(
    conn: Connection, catalogue: SmallTrial, capsys: pytest.CaptureFixture[str]
) -> None:
    for said in ("changed", "there"):
        enter_datastream(conn, entry(every="P1M", stamp="end"), START)
        assert capsys.readouterr().out.split()[0] == said
    assert declared(conn) == (Spacing(months=1), Stamp.END)
    assert [line.detail for line in audit(conn) if line.action == "map"] == [{"every": "P1M", "stamp": "end"}]
    enter_datastream(conn, entry(stamp="begin"), START)
    assert declared(conn) == (Spacing(months=1), Stamp.BEGIN)


def test_a_datastream_that_is_not_there_or_has_a_mapping_is_named(
    conn: Connection, catalogue: SmallTrial
) -> None:
    with pytest.raises(
        CorrectInput, match=r"There is no datastream t/a/no2: `insitu enrol --measure` or a map"
    ):
        enter_datastream(conn, entry(field="no2", stamp="end"), START)
    replace_mappings(conn, "t", [new_mapping(conn, field="fan", property="fan", devices="b")])
    with pytest.raises(CorrectInput, match="t/b/fan comes from a mapping: declare `every` and `stamp` there"):
        enter_datastream(conn, entry(device="b", field="fan", every=60, stamp="end"), START)


@pytest.mark.parametrize("every", ["P1M15D", "P1X", 0, -1, True, "nan", 1e12])
def test_an_interval_that_is_none_is_refused(every: object) -> None:
    with pytest.raises(ValidationError, match="every"):
        MappingEntry.model_validate({"trial": "t", "field": "f", "property": "p", "every": every})


@pytest.mark.parametrize(
    ("every", "spacing"), [(900, "PT15M"), (86400.0, "P1D"), ("P1Y", "P12M"), ("P1W", "P7D")]
)
def test_an_interval_is_a_number_of_seconds_or_a_text(every: object, spacing: str) -> None:
    found = MappingEntry.model_validate({"trial": "t", "field": "f", "property": "p", "every": every})
    assert found.every == Spacing.parse(spacing)
