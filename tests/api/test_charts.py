"""Charts of a trial. The oracle reads plain rows with SQL of its own and groups them with the calendar."""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages.compare import MOST_LINES, _problem
from api.pages.comparing import Choice, Dot, Line, Plan
from api.pages.plots import LaneFacts, plot
from api.pages.spans import MOST, Span, grid_of, read_span
from insitu.errors import CorrectInput
from insitu.language import Reader
from insitu.times import to_datetime
from tests.api.conftest import SignIn
from tests.api.world import World

ZONE = ZoneInfo("Europe/Paris")
PATH = "/trials/platform-air/charts"
WARD = "/trials/ward-ventilation/charts"
Rows = dict[str, list[tuple[datetime, float, int]]]


@dataclass
class Sql:
    """Rows of the world, device → (time, result, flag) in order."""

    url: str

    def rows(self, property: str, trial: str) -> Rows:
        found: Rows = defaultdict(list)
        with psycopg.connect(self.url) as conn:
            assert conn.execute("SELECT count(*) FROM packed_day").fetchone() == (0,), "else read them too"
            for device, at, result, flag in conn.execute(
                "SELECT d.code, o.phenomenon_time, o.result, o.flag FROM observation o "
                "JOIN datastream s USING (datastream_id) JOIN device d USING (device_id) "
                "JOIN trial t USING (trial_id) JOIN observed_property p USING (property_id) "
                "WHERE t.code = %s AND p.code = %s ORDER BY 1, 2",
                (trial, property),
            ):
                found[device].append((at.astimezone(UTC), result, flag))
        return found


@pytest.fixture
def sql(world_url: str) -> Sql:
    return Sql(world_url)


def local(moment: datetime) -> str:
    return moment.astimezone(ZONE).strftime("%Y-%m-%dT%H:%M")


def address(path: str, world: World, days: float, **more: Any) -> str:
    """The last days of the world."""
    span = {"from": local(world.now - timedelta(days=days)), "to": local(world.now)}
    return f"{path}?{urlencode(span | more, doseq=True)}"


def lines(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def csv_of(client: SignIn, path: str, login: str = "lab") -> list[dict[str, str]]:
    answer = client(login).get(path.replace("/charts?", "/charts.csv?"))
    assert answer.status_code == 200, answer.text
    return lines(answer.text)


def floor_of(at: datetime, width: str) -> datetime:
    day = at.astimezone(ZONE)
    return day.replace(hour=0 if width == "day" else day.hour, minute=0, second=0, microsecond=0)


@pytest.mark.parametrize("width", ["hour", "day"])
@pytest.mark.parametrize(
    ("path", "trial", "code", "days"),
    [(PATH, "platform-air", "pm25", 3), (WARD, "ward-ventilation", "co2", 20)],
)
def test_a_bucket_holds_what_plain_rows_give_by_the_calendar(
    client: SignIn, world: World, sql: Sql, width: str, path: str, trial: str, code: str, days: int
) -> None:
    asked = address(path, world, days, property=code, width=width, lines="device")
    start = floor_of(world.now - timedelta(days=days), width)
    wanted: dict[tuple[str, datetime], list[tuple[float, int]]] = defaultdict(list)
    for device, rows in sql.rows(code, trial).items():
        for at, result, flag in rows:
            if at >= start and at < world.now + timedelta(days=1):
                wanted[device, floor_of(at, width)].append((result, flag))
    found = csv_of(client, asked)
    shown = {row["line"] for row in found}
    assert len(shown) <= MOST_LINES
    kept = {key: values for key, values in wanted.items() if key[0] in shown}
    last = max(datetime.fromisoformat(row["to"]) for row in found)
    kept = {key: values for key, values in kept.items() if key[1] < last}
    got = {(row["line"], datetime.fromisoformat(row["from"])): row for row in found}
    assert got.keys() == kept.keys()
    assert len(got) > 2
    for key, values in kept.items():
        row, results = got[key], np.array([result for result, _ in values])
        assert int(row["results"]) == len(values)
        assert float(row["mean"]) == pytest.approx(results.mean(), rel=1e-9)
        assert (float(row["smallest"]), float(row["largest"])) == (results.min(), results.max())
        flags = {flag for _, flag in values}
        assert int(row["flag"]) == (4 if 4 in flags else 3 if 3 in flags else 1)
        assert (row["property"], row["devices"]) == (code, row["line"])


def test_single_results_are_the_rows_themselves(client: SignIn, world: World, sql: Sql) -> None:
    asked = address(PATH, world, 1, property="pm25", width="raw", device=["p1-north", "p1-south"])
    start = (world.now - timedelta(days=1)).replace(second=0, microsecond=0)
    end = world.now.replace(second=0, microsecond=0)
    wanted = [
        (device, at, result, flag if flag in (3, 4) else 1)
        for device, rows in sql.rows("pm25", "platform-air").items()
        if device in ("p1-north", "p1-south")
        for at, result, flag in rows
        if start <= at < end
    ]
    found = [
        (row["line"], datetime.fromisoformat(row["from"]), float(row["mean"]), int(row["flag"]))
        for row in csv_of(client, asked)
    ]
    assert sorted(found) == sorted(wanted)
    assert len(found) > 100
    assert "Each result is a point of its own." in client("lab").get(asked).text


def test_the_mean_of_an_arm_counts_each_device_once(client: SignIn, world: World, sql: Sql) -> None:
    """Without a protocol the role takes the place of the arm; devices with gaps weigh no less."""
    asked = address(PATH, world, 2, property="pm25", width="hour", lines="arm")
    means: dict[datetime, list[float]] = defaultdict(list)
    for rows in sql.rows("pm25", "platform-air").values():
        hours: dict[datetime, list[float]] = defaultdict(list)
        for at, result, _ in rows:
            hours[floor_of(at, "hour")].append(result)
        for hour, results in hours.items():
            means[hour].append(float(np.mean(results)))
    found = csv_of(client, asked)
    assert {row["line"] for row in found} == {"candidate"}
    assert len(found) >= 48
    for row in found:
        hour = datetime.fromisoformat(row["from"])
        assert float(row["mean"]) == pytest.approx(float(np.mean(means[hour])), rel=1e-9)


def test_the_table_has_the_numbers_of_the_csv(client: SignIn, world: World) -> None:
    asked = address(WARD, world, 20, property="co2", width="day")
    page = client("lab").get(asked).text
    table = page.split('aria-label="As a table"')[1].split("</table>")[0]
    cells = re.findall(r'<td class="n">([^<]*)', table)
    shown = sorted(float(cell.replace(",", "").replace("\u2212", "-")) for cell in cells if cell.strip("–"))
    wanted = sorted(round(float(row["mean"]), 3) for row in csv_of(client, asked))
    assert shown == pytest.approx(wanted, abs=6e-4)


def test_two_devices_share_one_grid(client: SignIn, world: World) -> None:
    found = csv_of(client, address(WARD, world, 10, property="co2", width="hour"))
    starts: dict[str, set[str]] = defaultdict(set)
    for row in found:
        starts[row["line"]].add(row["from"])
        assert row["from"][14:19] == "00:00"
    assert len(starts) == 2
    one, other = starts.values()
    assert len(one & other) > 100


def test_gaps_windows_and_swaps_are_drawn_and_named(client: SignIn, world: World) -> None:
    asked = address(PATH, world, 6, property="pm25", device=["p1-south", "d1-window", "p2-new", "p2-north"])
    page = client("lab").get(asked).text
    for kind in ("gap", "window", "swap", "in-window"):
        assert f'class="{kind}"' in page, kind
    assert "Cleaning of the hall" in page
    assert "Deployed at Central station (demo)" in page
    assert "Gap, " in page


def test_a_reading_that_failed_a_check_is_marked(client: SignIn, world: World, own_world_url: str) -> None:
    dots = [Dot(world.now, world.now, 1.0, 1.0, 1.0, 1, flag, 1) for flag in (1, 3, 4)]
    line = Line("a", "a", "candidate", ("a",), dots, timedelta(hours=1))
    drawn = plot([line], [], world.now - timedelta(hours=1), world.now + timedelta(hours=1), Reader("en"))
    assert drawn is not None
    assert [flag for _, _, flag in drawn.curves[0].flagged] == [3, 4]


# -- the address


def test_an_address_shows_the_same_again_and_its_links_lead_on(client: SignIn, world: World) -> None:
    asked = address(PATH, world, 2, property="temperature", width="hour", device=["p1-north", "p1-south"])
    page = client("lab").get(asked).text
    links = [
        (words, parse_qs(urlsplit(link.replace("&amp;", "&")).query))
        for link, words in re.findall(r'<a href="(\?[^"]+)">([^<]+)</a>', page)
    ]
    found = dict(links)
    assert {"Zoom in", "Zoom out", "Earlier", "Later", "24 h", "7 days"} <= found.keys() | {"24 h", "7 days"}
    for query in found.values():
        assert query["property"] == ["temperature"]
        assert query["device"] == ["p1-north", "p1-south"]
        assert query["width"] == ["hour"]
    closer = [datetime.fromisoformat(found["Zoom in"][edge][0]) for edge in ("from", "to")]
    assert closer[1] - closer[0] == pytest.approx(timedelta(days=1), abs=timedelta(minutes=2))
    again = csv_of(client, f"{PATH}?{urlencode(found['Zoom in'], doseq=True)}")
    assert {row["line"] for row in again} == {"p1-north", "p1-south"}
    assert 20 <= len(again) <= 52


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"from": "2026-03-02T00:00", "to": "2026-03-01T00:00"}, "The span ends before it begins"),
        ({"from": "soon"}, "is no time"),
        ({"from": "2026-03-29T02:30"}, "does not exist"),
        ({"from": "2020-01-01T00:00", "to": "2026-01-01T00:00"}, "at most 1000 days"),
    ],
)
def test_a_span_that_is_none_is_refused_in_words(
    client: SignIn, query: dict[str, str], sentence: str
) -> None:
    answer = client("lab").get(f"{PATH}?{urlencode(query)}")
    assert answer.status_code == 400
    assert sentence in answer.text
    assert client("lab").get(f"{PATH}.csv?{urlencode(query)}").status_code == 400
    french = client("lab").get(f"{PATH}?{urlencode(query)}", headers={"accept-language": "fr"})
    assert french.status_code == 400


def test_unknown_choices_fall_back_and_are_harmless(client: SignIn) -> None:
    hostile = urlencode({"property": "<x>", "device": "<y>", "lines": "x", "width": "<", "span": "é"})
    page = client("lab").get(f"{PATH}?{hostile}")
    assert page.status_code == 200
    assert "<x>" not in page.text
    assert "<y>" not in page.text


# -- rights


@pytest.mark.parametrize("login", ["hospital", "boreal", "outsider", "city", "hospital-buyer"])
@pytest.mark.parametrize("path", [PATH, f"{PATH}.csv"])
def test_others_find_no_charts(client: SignIn, login: str, path: str) -> None:
    assert client(login).get(path).status_code == 404


@pytest.mark.parametrize("login", ["metro", "metro-buyer"])
@pytest.mark.parametrize("path", [PATH, f"{PATH}.csv"])
def test_the_host_never_sees_results(client: SignIn, login: str, path: str) -> None:
    """The company canary of results must not be on any page of a host's people."""
    assert client(login).get(path).status_code == 404


@pytest.mark.parametrize("login", ["lab", "aurore", "judge"])
def test_the_lab_the_company_and_the_evaluator_see_them(client: SignIn, login: str) -> None:
    assert client(login).get(PATH).status_code == 200


def test_a_download_is_in_the_audit_log(client: SignIn, world: World, world_url: str) -> None:
    csv_of(client, address(PATH, world, 1))
    with psycopg.connect(world_url) as conn:
        found = conn.execute(
            "SELECT detail->>'file' FROM audit WHERE action = 'download' AND subject = 'platform-air'"
        )
        assert ("chart",) in found.fetchall()


def test_arms_of_a_blinded_property_are_not_drawn_together() -> None:
    plan = Plan({}, [], [], frozenset({"pm25"}))

    def choice(arm: str) -> Choice:
        return Choice(None, None, arm, arm)  # type: ignore[arg-type]

    both = [choice("treated"), choice("control")]
    assert "blinded" in _problem(plan, "pm25", both, by_arm=False)
    assert "blinded" in _problem(plan, "pm25", both, by_arm=True)
    assert _problem(plan, "pm25", both[:1] * 3, by_arm=False) == ""
    assert _problem(plan, "no2", both, by_arm=True) == ""
    assert "at most" in _problem(plan, "no2", both * MOST_LINES, by_arm=False)


# -- grids and drawings


MOMENT = st.integers(0, 3 * 365 * 86_400).map(
    lambda seconds: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


@given(
    start=MOMENT,
    minutes=st.integers(1, 1000 * 1440),
    width=st.sampled_from(["auto", "raw", "hour", "day"]),
    zone=st.sampled_from(["Europe/Paris", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia", "UTC"]),
    expected=st.sampled_from([None, 10.0, 900.0, 3600.0, 86_400.0]),
)
def test_a_grid_covers_its_span_and_is_never_too_fine(
    start: datetime, minutes: int, width: str, zone: str, expected: float | None
) -> None:
    span = Span(start, start + timedelta(minutes=minutes), width, zone)
    grid = grid_of(span, expected)
    edges = [to_datetime(int(edge)) for edge in grid.edges]
    assert edges == sorted(set(edges))
    assert 2 <= len(edges) <= MOST + 2
    assert edges[0] <= span.start < edges[1]
    assert edges[-2] < span.end <= edges[-1]
    if grid.step_s is None:
        assert all(edge.astimezone(ZoneInfo(zone)).strftime("%H:%M") in ("00:00", "01:00") for edge in edges)
    else:
        assert {(b - a).total_seconds() for a, b in itertools.pairwise(edges)} == {grid.step_s}
        assert expected is None or width == "hour" or grid.step_s >= min(expected, 43_200)


def test_a_day_is_as_long_as_the_clock_makes_it() -> None:
    span = Span(
        datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC), "day", "Europe/Paris"
    )
    hours = np.diff(grid_of(span, None).edges) / 3.6e9
    assert hours.tolist() == [24, 23, 24, 24]


def test_a_span_without_times_is_the_last_week() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    given_: dict[str, Any] = {"span": "", "width": "auto", "time_zone": "Europe/Paris", "now": now}
    assert read_span(first="", last="", **given_).start == now - timedelta(days=7)
    assert read_span(first="", last="", **given_ | {"span": "24h"}).start == now - timedelta(days=1)
    with pytest.raises(CorrectInput):
        read_span(first="2026-05-02T00:00", last="2026-05-01T00:00", **given_)


@given(
    values=st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=30),
    bands=st.booleans(),
)
def test_every_point_lies_within_the_drawing(values: list[float], bands: bool) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    hour = timedelta(hours=1)
    dots = [
        Dot(start + n * hour, start + (n + 1) * hour, v - bands, v + bands, v, 1, 3, 1)
        for n, v in enumerate(values)
    ]
    line = Line("a", "a", "candidate", ("a",), dots, 2 * hour)
    drawn = plot([line], [LaneFacts("a", [], [], [])], start, start + len(values) * hour, Reader("en"))
    assert drawn is not None
    numbers = [float(n) for n in re.findall(r"-?[\d.]+(?:e-?\d+)?", drawn.curves[0].path)]
    xs, ys = numbers[::2], numbers[1::2]
    assert all(drawn.left <= x <= drawn.right for x in xs)
    assert all(drawn.top - 0.2 <= y <= drawn.bottom + 0.2 for y in ys)
    assert all(math.isfinite(level.at) for level in drawn.levels)
    assert 2 <= len(drawn.levels) <= 12


def test_a_line_breaks_at_a_silence() -> None:
    start, hour = datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=1)
    dots = [Dot(start + n * hour, start + (n + 1) * hour, 1.0, 1.0, 1.0, 1, 1, 1) for n in (0, 1, 5, 6)]
    drawn = plot([Line("a", "a", "x", ("a",), dots, 1.5 * hour)], [], start, start + 8 * hour, Reader("en"))
    assert drawn is not None
    assert drawn.curves[0].path.count("M") == 2
