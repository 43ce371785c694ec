"""A file says more beside its numbers: another device, a unit in a format or a row of its own, a factor, a
second time, words that call results bad. It is used, or the import asks; the answer that it names imports
what the writer meant.

Each case has its right answer written by hand; none is computed by the code that it judges.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from insitu.errors import CorrectInput
from tests.ingest.reading_files import read
from tests.ingest.workbooks import write_xlsx

A, B = "2026-03-13T00:00:00Z", "2026-03-13T01:00:00Z"
UTC = {"zone": "UTC"}
Answer = dict[str, Any]

READ: list[tuple[str, Answer, list[tuple[str, float]]]] = [
    (f";°F\ntime;temperature\n{A};71.6\n", {}, [("temperature", 22.0)]),
    (f"# Temperatures in °F\ntime;temperature\n{A};71.6\n", {}, [("temperature", 22.0)]),
    (f"# temperature in °C\ntime;temperature\n{A};21.5\n", {}, [("temperature", 21.5)]),
    (f"Last calibration: 2026-01-01\ntime;temperature\n{A};21.5\n", {}, [("temperature", 21.5)]),
    (f"Invalid records: 0\ntime;temperature\n{A};21.5\n", {}, [("temperature", 21.5)]),
    (f"Device: d1\ntime;temperature\n{A};21.5\n", {}, [("temperature", 21.5)]),
    (f"time;temperature;temperature_unit\n{A};21.5;°C\n", {}, [("temperature", 21.5)]),
    (f"time;temperature;multiplier\n{A};21.5;1\n", {}, [("temperature", 21.5)]),
    (
        f"time;temperature;weather\n{A};21.5;rain\n{B};22;sun\n",
        {},
        [("temperature", 21.5), ("temperature", 22)],
    ),
    (f"time;temperature;time\n{A};21.5;{A}\n", {"time_columns": ["time#1"]}, [("temperature", 21.5)]),
    (f"time;power\n{A};1.234\n", {}, [("power", 1.234)]),
    ("time;power\n13.03.2026 12:00;5\n14.03.2026 01:00;6\n", UTC, [("power", 5), ("power", 6)]),
    (
        f"time;power\n{A[:-1]}+01:00;5\n{B[:-1]};6\n",
        {"zone": "Europe/Paris"},
        [("power", 5), ("power", 6)],
    ),
    ("time;power\n13.03.2026 02:00;5\n13.03.2026 01:00;6\n", UTC, [("power", 5), ("power", 6)]),
]
ASKED: list[tuple[str, Answer, str, Answer, list[float]]] = [
    (f"time;station;power\n{A};d2;5\n", {}, "another device", {"columns": {"station": ""}}, [5]),
    (f"Logger: d2\ntime;power\n{A};5\n", {}, "another device", {"ignore": ["Logger: d2"]}, [5]),
    (
        f"time;temperature;Temp Units\n{A};71.6;F\n",
        {},
        "is not read",
        {"columns": {"temperature": "temperature:[degF]", "Temp Units": ""}},
        [22.0],
    ),
    (f"time;power;scale\n{A};5;0.1\n", {}, "factor", {"columns": {"scale": ""}}, [5]),
    (f"time;power;exponent\n{A};5;-1\n", {}, "factor", {"columns": {"exponent": ""}}, [5]),
    (f"Values x 10\ntime;power\n{A};5\n", {}, "x 10", {"ignore": ["Values x 10"]}, [5]),
    (f"TEST DATA\ntime;power\n{A};5\n", {}, "TEST DATA", {"ignore": ["TEST DATA"]}, [5]),
    (f"time;power;foo\n{A};5;ok\n{B};9;invalid\n", {}, "invalid", {"where": {"foo": "ok"}}, [5]),
    (f"time;power;q\n{A};5;\n{B};9;<\n", {}, "<", {"where": {"q": ""}}, [5]),
    (f"time;power;mode\n{A};5;MEASURE\n{B};9;ZERO\n", {}, "ZERO", {"where": {"mode": "MEASURE"}}, [5]),
    (f"time;power;height_m\n{A};5;2\n{B};9;10\n", {}, "height_m", {"where": {"height_m": "2"}}, [5]),
    (f"time;power;sn\n{A};5;101\n{B};9;102\n", {}, "'sn'", {"where": {"sn": "101"}}, [5]),
    (
        f"time;power;time;pressure\n{A};5;{B};9\n",
        {"time_columns": ["time#1"]},
        "side by side",
        {"columns": {"pressure": "", "time#2": ""}},
        [5],
    ),
    ("Zeit;power\n13.03.2026 00:00;1.234\n", UTC, "1.234 or 1234", {"decimal": ","}, [1234]),
    (f"time;power\n{A};12,345\n", {}, "12345", {"decimal": "."}, [12345]),
    (
        "Zeit;power\n13.03.2026 11:00;4\n13.03.2026 12:00;5\n13.03.2026 01:00;6\n",
        UTC,
        "a.m. and p.m. may be missing",
        {"time_format": "%d.%m.%Y %H:%M"},
        [4, 5, 6],
    ),
    (f"time;humidity\n{A};0.45\n{B};45%\n", {}, "with a unit", {}, []),
    ("time;power\n25.10.2026 02:00A;5\n25.10.2026 02:00B;9\n", UTC, "02:00B", {}, []),
]
DAYTIMES: list[tuple[str, Answer, list[str]]] = [
    ("0 30 130 2400", {}, ["00:00", "00:30", "01:30", "00:00"]),
    ("0030 0100 2330", {}, ["00:30", "01:00", "23:30"]),
    ("0 12 23 24", {}, ["00:00", "12:00", "23:00", "00:00"]),
    ("0 10 20", {"time_format": "%d/%m/%Y %H%M"}, ["00:00", "00:10", "00:20"]),
]


@pytest.mark.parametrize("number", range(len(READ)))
def test_it_is_used(tmp_path: Path, number: int) -> None:
    content, said, expected = READ[number]
    found = results(tmp_path, content, said)
    assert [name for name, _ in found] == [name for name, _ in expected]
    assert [result for _, result in found] == pytest.approx([result for _, result in expected])


@pytest.mark.parametrize("number", range(len(ASKED)))
def test_or_the_import_asks_and_the_answer_works(tmp_path: Path, number: int) -> None:
    content, said, question, answer, expected = ASKED[number]
    with pytest.raises(CorrectInput) as asked:
        results(tmp_path, content, said)
    assert question in str(asked.value)
    if answer:
        stored = results(tmp_path, content, {**said, **answer})
        assert [result for _, result in stored] == pytest.approx(expected)


@pytest.mark.parametrize(("written", "said", "read_as"), DAYTIMES)
def test_hours_and_minutes_in_one_number(
    tmp_path: Path, written: str, said: Answer, read_as: list[str]
) -> None:
    rows = [f"{day:02}/03/2026;{text};5\n" for day, text in enumerate(written.split(), 13)]
    path = tmp_path / "in.csv"
    path.write_text("date;heure;power\n" + "".join(rows))
    found = [at for at, _ in read(path, **UTC, **said)[1]["power"]]
    days = [day + (text in ("24", "2400")) for day, text in enumerate(written.split(), 13)]
    assert found == [f"2026-03-{day}T{clock}:00" for day, clock in zip(days, read_as, strict=True)]


@pytest.mark.parametrize(
    ("code", "number", "expected"),
    [
        ('0.0"°F"', 71.6, 22.0),
        ("0.0\\ \\°\\F", 71.6, 22.0),
        ("[$°F] 0.0", 71.6, 22.0),
        ('0.0;-0.0;"none"', 21.5, 21.5),
        ('0.0 "on average"', 21.5, 21.5),
        ("#,##0.00 [$€-407]", 21.5, 21.5),
        ('0.0 "°C"', 21.5, 21.5),
    ],
)
def test_a_workbook_shows_a_unit_that_is_in_the_format_only(
    tmp_path: Path, code: str, number: float, expected: float
) -> None:
    plain = write_xlsx({"D": [["time", "temperature"], [A, ("date", number)]]})
    path = tmp_path / "in.xlsx"
    path.write_bytes(with_format(plain, code))
    ((name, result),) = results(tmp_path, None, {})
    assert name == "temperature"
    assert result == pytest.approx(expected)


def with_format(workbook: bytes, code: str) -> bytes:
    """The workbook with another number format for its dates."""
    escaped = code.replace("&", "&amp;").replace('"', "&quot;")
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as before, zipfile.ZipFile(made, "w") as after:
        for name in before.namelist():
            content = before.read(name).decode()
            if name == "xl/styles.xml":
                format_ = (
                    f'<numFmts count="1"><numFmt numFmtId="170" formatCode="{escaped}"/></numFmts><fonts '
                )
                content = content.replace('numFmtId="22"', 'numFmtId="170"').replace("<fonts ", format_, 1)
            after.writestr(name, content)
    return made.getvalue()


def results(folder: Path, content: str | None, said: Answer) -> list[tuple[str, float]]:
    """(datastream, result) of each, without refusals."""
    path = folder / ("in.xlsx" if content is None else "in.csv")
    if content is not None:
        path.write_text(content)
    _, found, refusals = read(path, **said)
    assert refusals == []
    return [(name, result) for name, rows in found.items() for _, result in rows]
