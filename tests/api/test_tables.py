"""Exports as Parquet and as an Arrow stream: the same table as the CSV, read by other programs than wrote it;
sites as GeoJSON.
"""

from __future__ import annotations

import csv
import io
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from api import arrow_tables
from api.arrow_tables import write_arrow, write_parquet
from api.csv_table import write_csv
from insitu.model import Observation
from insitu.times import to_us
from store.database import Connection
from store.observations import merge
from tests.api.conftest import SignIn
from tests.api.test_access import AIR_NUMBER
from tests.fix_catalogue import START, SmallTrial
from tests.store.packed.test_twins import pack_all

PATH = "/api/v1/trials/platform-air/observations"
COLUMNS = [
    *("trial", "device", "datastream", "property", "unit", "phenomenon_time", "result", "flag"),
    "received_at",
]
FAR = datetime(2100, 1, 1, tzinfo=UTC)


def rows_of_csv(content: bytes) -> list[tuple[Any, ...]]:
    reader = csv.DictReader(io.StringIO(content.decode()))
    assert reader.fieldnames == COLUMNS
    return [
        (
            *(row[name] for name in COLUMNS[:5]),
            datetime.fromisoformat(row["phenomenon_time"]),
            float(row["result"]),
            int(row["flag"]),
            datetime.fromisoformat(row["received_at"]),
        )
        for row in reader
    ]


def rows_of_table(table: pa.Table) -> list[tuple[Any, ...]]:
    assert table.column_names == COLUMNS
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


@pytest.mark.parametrize("query", ["", "?device=p1", "?start=2026-01-01T00:00:00Z&end=2026-01-01T00:00:01Z"])
def test_the_three_forms_hold_the_same_rows_for_the_same_question(client: SignIn, query: str) -> None:
    reader = client("aurore")
    found = reader.get(f"{PATH}.csv{query}")
    parquet, arrow = reader.get(f"{PATH}.parquet{query}"), reader.get(f"{PATH}.arrow{query}")
    assert [found.status_code, parquet.status_code, arrow.status_code] in ([200] * 3, [404] * 3)
    if found.status_code == 404:
        return
    rows = rows_of_csv(found.content)
    assert rows_of_table(pq.read_table(io.BytesIO(parquet.content))) == rows
    assert rows_of_table(pa.ipc.open_stream(arrow.content).read_all()) == rows
    if not query:
        assert AIR_NUMBER in {row[6] for row in rows}
    assert parquet.headers["content-type"] == "application/vnd.apache.parquet"
    assert arrow.headers["content-type"] == "application/vnd.apache.arrow.stream"


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
def test_every_form_has_the_same_doors(client: SignIn, form: str) -> None:
    assert client("").get(f"{PATH}.{form}").status_code == 401
    assert client("boreal").get(f"{PATH}.{form}").status_code == 404
    assert client("metro").get(f"{PATH}.{form}").status_code == client("metro").get(f"{PATH}.csv").status_code
    assert client("aurore").get(f"{PATH}.{form}?device=nothing").status_code == 404


def test_packed_and_hot_rows_are_one_series_in_every_form(conn: Connection, catalogue: SmallTrial) -> None:
    """Bit for bit: the oracle compares the bytes of each number with what was stored."""
    streams = [catalogue.datastreams["a", "pm25"], catalogue.datastreams["b", "pm25"]]
    stored: dict[int, list[tuple[int, bytes]]] = {}
    for stream in streams:
        times = [to_us(START + timedelta(minutes=7 * number)) for number in range(600)]
        results = [0.1 * number / (stream + 1) - 7 for number in range(600)]
        merge(conn, [Observation(stream, t, r, t + 9, 0) for t, r in zip(times, results, strict=True)])
        conn.commit()
        stored[stream] = [(t, struct.pack("<d", r)) for t, r in zip(times, results, strict=True)]
    before = _written(conn, streams)
    pack_all(conn, START + timedelta(days=2))
    ((packed, hot),) = conn.execute(
        "SELECT (SELECT count(*) FROM packed_day), (SELECT count(*) FROM observation)"
    ).fetchall()
    assert packed > 0
    after = _written(conn, streams)
    assert before[".csv"] == after[".csv"]
    for content in (after[".parquet"], after[".arrow"]):
        assert [(to_us(time), struct.pack("<d", result)) for *_, time, result, _, _ in _rows(content)] == [
            one for stream in streams for one in stored[stream]
        ]
    assert _rows(before[".parquet"]) == _rows(after[".parquet"]) == _rows(after[".arrow"])
    assert hot > 0


def _rows(content: bytes) -> list[tuple[Any, ...]]:
    if content[:4] == b"PAR1":
        return rows_of_table(pq.read_table(io.BytesIO(content)))
    return rows_of_table(pa.ipc.open_stream(content).read_all())


def _written(conn: Connection, streams: list[int]) -> dict[str, bytes]:
    found = {}
    for name, write in ((".csv", write_csv), (".parquet", write_parquet), (".arrow", write_arrow)):
        file = io.BytesIO()
        write(conn, streams, datetime(2000, 1, 1, tzinfo=UTC), FAR, file)
        found[name] = file.getvalue()
    return found


def test_a_batch_ends_where_enough_rows_are_and_no_row_is_lost_at_its_edge(
    conn: Connection, catalogue: SmallTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrow_tables, "ROWS", 50)
    stream = catalogue.datastreams["a", "pm25"]
    times = [to_us(START + timedelta(hours=number)) for number in range(300)]
    merge(conn, [Observation(stream, t, float(n), t, 0) for n, t in enumerate(times)])
    conn.commit()
    content = _written(conn, [stream])
    file = pq.ParquetFile(io.BytesIO(content[".parquet"]))
    assert file.num_row_groups > 3
    assert [row[6] for row in _rows(content[".parquet"])] == [float(n) for n in range(300)]
    assert [row[6] for row in _rows(content[".arrow"])] == [float(n) for n in range(300)]
    assert _rows(_written(conn, [])[".parquet"]) == []


def test_sites_are_geojson_by_the_standard(client: SignIn) -> None:
    listed = client("lab").get("/api/v1/sites").json()["items"]
    answer = client("lab").get("/api/v1/sites.geojson")
    assert answer.headers["content-type"] == "application/geo+json"
    document = answer.json()
    assert document["type"] == "FeatureCollection"
    assert [one["id"] for one in document["features"]] == [site["code"] for site in listed]
    for feature, site in zip(document["features"], listed, strict=True):
        assert feature["type"] == "Feature"
        if site["latitude"] is None:
            assert feature["geometry"] is None
        else:
            assert feature["geometry"] == {
                "type": "Point",
                "coordinates": [site["longitude"], site["latitude"]],
            }
        assert feature["properties"]["name"] == site["name"]
    own = client("metro").get("/api/v1/sites.geojson").json()["features"]
    assert {one["properties"]["host"] for one in own} == {"metro-demo"}
    assert client("").get("/api/v1/sites.geojson").status_code == 401
    assert client("aurore").get("/api/v1/sites.geojson").status_code == 404
