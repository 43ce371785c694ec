"""The ground of maps, from GeoJSON and from tiles: what is drawn, where, how much, and what a wrong file
says.
"""

from __future__ import annotations

import json
import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pmtiles.tile import Compression, TileType

from api.maps.ground import open_ground
from api.maps.shapes import MOST_POINTS, Collected, Ground, Parts, draw
from api.maps.view import MOST_ZOOM, View, around, from_world, read_view, to_world
from api.pages import site_map
from api.pages.site_map import Spot
from insitu.errors import CorrectInput
from insitu.settings import Settings
from tests.api.conftest import SignIn, serving
from tests.api.tiles import layer, tile_of, write_archive

PARIS = (48.8566, 2.3522)
places = st.tuples(st.floats(-80, 80), st.floats(-179, 179))
SQUARE = [(1024, 1024), (3072, 1024), (3072, 3072), (1024, 3072)]


def haversine(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Metres on a sphere with the equator of the Earth."""
    (a, b), (c, d) = [tuple(map(math.radians, place)) for place in (one, other)]
    h = math.sin((c - a) / 2) ** 2 + math.cos(a) * math.cos(c) * math.sin((d - b) / 2) ** 2
    return 2 * 40_075_016.686 / (2 * math.pi) * math.asin(math.sqrt(h))


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.e+-]+) (-?[\d.e+-]+)", path)]


def size_of(ring: list[tuple[float, float]]) -> float:
    """Area by the shoelace formula."""
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise([*ring, ring[0]]))) / 2


def parts(*shapes: tuple[Ground, Any]) -> Parts:
    collected = Collected()
    for ground, ring in shapes:
        collected.add([ground], [len(ring)], ring)
    return collected.parts()


def opened(path: Path | None) -> Any:
    return open_ground(Settings(map_file=path))


@given(place=places)
def test_a_place_comes_back_from_the_world(place: tuple[float, float]) -> None:
    assert from_world(*to_world(*place)) == pytest.approx(place, abs=1e-9)


@given(place=st.tuples(st.floats(-65, 65), st.floats(-170, 170)), zoom=st.floats(9, 18))
def test_the_scale_is_the_distance_on_the_ground(place: tuple[float, float], zoom: float) -> None:
    """To 2 %: the map is 760 units wide, at most some 100 km."""
    view = View(*place, zoom, 760, 560)
    bar = view.bar()
    half = bar.length / 100 * view.width / 2
    x, y = to_world(*place)
    ends = [from_world(x + side * half / view.scale, y) for side in (-1, 1)]
    assert haversine(ends[0], ends[1]) == pytest.approx(bar.metres, rel=0.02)
    assert 2 <= bar.length <= 25.01
    assert str(bar.metres).lstrip("0.").strip("0.")[:1] in "125"


@given(st.lists(places, min_size=1, max_size=20))
def test_every_place_is_in_the_view_around_them(found: list[tuple[float, float]]) -> None:
    view = around(found, 760, 560)
    for place in found:
        x, y = view.place_of(*place)
        if view.zoom > 1:
            assert -0.01 <= x <= 760.01
            assert -0.01 <= y <= 560.01


@given(place=st.tuples(st.floats(-70, 70), st.floats(-170, 170)), zoom=st.floats(1, MOST_ZOOM))
def test_the_grid_has_few_lines_within_the_picture_at_even_degrees(
    place: tuple[float, float], zoom: float
) -> None:
    view = View(*place, zoom, 760, 560)
    for lines in (view.meridians(), view.parallels()):
        assert len(lines) <= 16
        assert all(-0.01 <= line.at <= 100.01 for line in lines)
    for line in view.parallels():
        assert view.place_of(line.degrees, place[1])[1] == pytest.approx(line.at * 5.6, abs=0.1)


def test_half_a_map_to_the_east_shows_the_right_edge_in_the_middle() -> None:
    view = View(*PARIS, 12, 760, 560)
    moved = view.moved(0.5, 0)
    assert moved.place_of(*PARIS)[0] == pytest.approx(0)
    assert moved.latitude == pytest.approx(PARIS[0])


@pytest.mark.parametrize("at", ["x", "1", "1,2,3", "91,0", "0,181", "nan,0", "inf,1", "1;2"])
def test_an_address_that_shows_no_map_says_how_to_write_one(at: str) -> None:
    with pytest.raises(CorrectInput, match="zoom=12"):
        read_view(at, "12", 760, 560)
    with pytest.raises(CorrectInput):
        read_view("48,2", "77", 760, 560)
    assert read_view("", "", 760, 560) is None


@given(
    corners=st.lists(st.tuples(st.floats(-2000, 3000), st.floats(-2000, 3000)), min_size=2, max_size=2),
    zoom=st.floats(3, 12),
)
def test_what_is_cut_at_the_edges_has_the_area_of_the_part_inside(
    corners: list[tuple[float, float]], zoom: float
) -> None:
    """Of a rectangle, whose part in the picture and 12 units around it is a rectangle as well."""
    view = View(10.0, 10.0, zoom, 760, 560)
    (a, b), (c, d) = corners
    low, high = (min(a, c), min(b, d)), (max(a, c), max(b, d))
    ring = np.array([low, (high[0], low[1]), high, (low[0], high[1])])
    world = (ring - np.array((380, 280))) / view.scale + np.array(to_world(10.0, 10.0))
    drawn = draw(parts((Ground.WATER, world)), [], view)
    if low[0] > 761 or low[1] > 561 or high[0] < -1 or high[1] < -1:
        assert drawn.paths == []
    if low[0] > 759 or low[1] > 559 or high[0] < 1 or high[1] < 1:
        return  # at the edge
    wide = min(high[0], 772) - max(low[0], -12)
    tall = min(high[1], 572) - max(low[1], -12)
    expected = max(wide, 0) * max(tall, 0)
    found = size_of(points(drawn.paths[0][1])) if drawn.paths else 0.0
    assert found == pytest.approx(expected, abs=12 + 0.6 * (max(wide, 0) + max(tall, 0)))


def test_a_map_with_too_many_points_leaves_out_the_least_important_first() -> None:
    view = View(0.0, 0.0, 12, 760, 560)
    angle = np.linspace(0, 400 * math.pi, MOST_POINTS - 100)
    spiral = (
        np.column_stack((np.cos(angle), np.sin(angle)))
        * (np.linspace(20, 270, len(angle)) / view.scale)[:, None]
    )
    kinds_of = (Ground.BUILDING, Ground.PATH, Ground.ROAD)
    shapes = [(ground, spiral + 0.5) for ground in kinds_of]
    kinds = [kind for kind, _ in draw(parts(*shapes), [], view).paths]
    assert kinds == ["road"]


FEATURES = {
    "type": "FeatureCollection",
    "copyright": "&copy; <a href='https://www.openstreetmap.org'>OpenStreetMap</a><script>",
    "features": [
        {
            "type": "Feature",
            "properties": {"natural": "water"},
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[2.3, 48.8], [2.4, 48.8], [2.4, 48.9], [2.3, 48.8]]],
            },
        },
        {
            "type": "Feature",
            "properties": {"highway": "primary"},
            "geometry": {"type": "LineString", "coordinates": [[2.3, 48.85], [2.4, 48.86]]},
        },
        {
            "type": "Feature",
            "properties": {"place": "suburb", "name": "<b>Belleville</b>"},
            "geometry": {"type": "Point", "coordinates": [2.38, 48.85]},
        },
        {"type": "Feature", "properties": None, "geometry": None},
    ],
}


def test_geojson_is_drawn_by_its_words(tmp_path: Path) -> None:
    path = tmp_path / "ground.geojson"
    path.write_text(json.dumps(FEATURES), "utf-8")
    view = View(*PARIS, 12, 760, 560)
    drawn = opened(path).draw(view)
    assert [kind for kind, _ in drawn.paths] == ["water", "road"]
    assert opened(path).credit == "© OpenStreetMap"
    (first, last) = points(dict(drawn.paths)["road"])
    assert first == pytest.approx(view.place_of(48.85, 2.3), abs=0.2)
    assert last == pytest.approx(view.place_of(48.86, 2.4), abs=0.2)
    assert [one.name for one in drawn.labels] == ["<b>Belleville</b>"]
    far = opened(path).draw(View(10.0, 10.0, 12, 760, 560))
    assert (far.paths, far.labels) == ([], [])


def square_tile(layer_name: str = "water", **properties: str) -> bytes:
    return layer(layer_name, [(3, [SQUARE], properties)]) + layer(
        "places", [(1, [[(2048, 2048)]], {"name": "Middle", "min_zoom": 3})]
    )


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.NONE])
def test_a_tile_is_drawn_where_it_lies(tmp_path: Path, compression: Compression) -> None:
    """A square in the middle half of one tile, seen at three zooms."""
    z, x, y = tile_of(*PARIS, 10)
    path = write_archive(tmp_path / "a.pmtiles", {(z, x, y): square_tile()}, compression=compression)
    latitude, longitude = from_world((x + 0.5) / 2**z, (y + 0.5) / 2**z)
    for zoom in (10.0, 11.0, 12.5):
        view = View(latitude, longitude, zoom, 900, 900)
        drawn = opened(path).draw(view)
        side = 128 * 2 ** (zoom - 10)
        ((kind, outline),) = drawn.paths
        assert kind == "water"
        assert size_of(points(outline)) == pytest.approx(min(side, 924) ** 2, rel=0.01)
        ((label),) = drawn.labels
        assert (label.name, label.x, label.y) == ("Middle", pytest.approx(450), pytest.approx(450))
    assert opened(path).credit == "© OpenStreetMap"
    beside = View(latitude, longitude + 20, 12, 760, 560)
    assert opened(path).draw(beside).paths == []


@pytest.mark.parametrize(
    ("name", "properties", "kind", "expected"),
    [
        ("roads", {"kind": "highway"}, 2, "road"),
        ("roads", {"kind": "minor_road"}, 2, "path"),
        ("roads", {"kind": "rail"}, 2, "rail"),
        ("transportation", {"class": "primary"}, 2, "road"),
        ("boundaries", {"kind": "county"}, 2, "border"),
        ("water", {"kind": "river"}, 2, "stream"),
        ("waterway", {"class": "river"}, 2, "stream"),
        ("earth", {"kind": "earth"}, 3, "land"),
        ("landuse", {"kind": "park"}, 3, "green"),
        ("landuse", {"kind": "industrial"}, 3, None),
        ("buildings", {"kind": "building"}, 3, "building"),
        ("pois", {"kind": "cafe"}, 3, None),
    ],
)
def test_the_words_of_the_usual_schemes_are_known(
    tmp_path: Path, name: str, properties: dict[str, str | int], kind: int, expected: str | None
) -> None:
    place = tile_of(*PARIS, 10)
    path = write_archive(tmp_path / "a.pmtiles", {place: layer(name, [(kind, [SQUARE], properties)])})
    drawn = opened(path).draw(View(*PARIS, 11, 760, 560))
    assert [kind for kind, _ in drawn.paths] == ([] if expected is None else [expected])


def test_a_broken_tile_is_a_hole_and_no_error(tmp_path: Path) -> None:
    z, x, y = tile_of(*PARIS, 10)
    tiles = {(z, x, y): b"\xff\xff", (z, x + 1, y): square_tile()}
    path = write_archive(tmp_path / "a.pmtiles", tiles, compression=Compression.NONE)
    assert [kind for kind, _ in opened(path).draw(View(*PARIS, 10, 760, 560)).paths] == ["water"]


WRONG = {
    "no json": b"{",
    "no geojson": b"[1]",
    "another document": b'{"type": "Topology"}',
    "nothing to draw": b'{"type": "FeatureCollection", "features": []}',
    "metres": b'{"type": "LineString", "coordinates": [[652000, 6862000], [653000, 6862000]]}',
    "no numbers": b'{"type": "LineString", "coordinates": [["a", "b"], ["c", "d"]]}',
    "not finite": b'{"type": "LineString", "coordinates": [[NaN, 1], [1, 1]]}',
    "deep": b'{"type":"FeatureCollection","features":[' * 3000,
    "cut archive": b"PMTiles\x03" + b"\0" * 20,
    "older archive": b"PMTiles\x02" + b"\0" * 200,
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_stops_the_start_and_says_what_to_do(tmp_path: Path, name: str) -> None:
    path = tmp_path / "ground"
    path.write_bytes(WRONG[name])
    with pytest.raises(CorrectInput, match="INSITU_MAP_FILE"):
        opened(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(CorrectInput, match=f"cannot read {path}"):
            opened(path)


def test_an_archive_of_pictures_is_refused(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "a.pmtiles", {(0, 0, 0): b"png"}, kind=TileType.PNG)
    with pytest.raises(CorrectInput, match="vector tiles"):
        opened(path)


def spot(number: int, latitude: float, longitude: float, rank: int = 3) -> Spot:
    return Spot(
        f"s{number}", f"Site {number}", "online", rank, "ok", f"/s{number}", latitude, longitude, number
    )


@given(st.lists(st.tuples(st.floats(48.6, 49.0), st.floats(2.0, 2.7)), min_size=1, max_size=60))
def test_every_site_is_in_one_mark_and_no_two_marks_touch(found: list[tuple[float, float]]) -> None:
    spots = [spot(number, *place) for number, place in enumerate(found, 1)]
    view = site_map.view_of(spots, 760, 560)
    shown = site_map.draw(spots, opened(None), view, lambda _, together: f"/closer/{len(together)}")
    assert sum(mark.count for mark in shown.marks) == len(spots)
    for mark in shown.marks:
        assert 0 <= mark.x <= 100
        assert 0 <= mark.y <= 100
        assert mark.href == (f"/closer/{mark.count}" if mark.count > 1 else f"/s{mark.number}")
    for number, one in enumerate(shown.marks):
        for other in shown.marks[number + 1 :]:
            assert math.dist((one.x * 7.6, one.y * 5.6), (other.x * 7.6, other.y * 5.6)) >= 30


def test_the_worst_of_several_sites_gives_its_state_to_their_mark() -> None:
    spots = [spot(1, 48.86, 2.35), spot(2, 48.8601, 2.3501, rank=0), spot(3, 48.7, 2.1)]
    view = site_map.view_of(spots, 760, 560)
    together = site_map.draw(spots, opened(None), view, lambda *_: "/closer").marks[0]
    assert (together.count, together.name.split(";")[0]) == (2, "Site 2")


def test_without_a_file_the_map_of_any_region_has_a_grid_a_scale_and_sites_in_proportion() -> None:
    """Three sites in Bavaria, where no outline comes with Insitu."""
    munich, augsburg, nuremberg = (48.137, 11.575), (48.371, 10.898), (49.453, 11.077)
    spots = [spot(n, *place) for n, place in enumerate((munich, augsburg, nuremberg), 1)]
    shown = site_map.draw(spots, opened(None), site_map.view_of(spots, 760, 560), lambda *_: "")
    assert shown.paths == []
    assert shown.meridians
    assert shown.parallels
    at = {mark.name: (mark.x * 7.6, mark.y * 5.6) for mark in shown.marks}
    ratio = math.dist(at["Site 1"], at["Site 3"]) / math.dist(at["Site 1"], at["Site 2"])
    assert ratio == pytest.approx(haversine(munich, nuremberg) / haversine(munich, augsburg), rel=0.02)


def test_the_page_shows_the_sites_of_the_reader_on_the_ground_of_the_lab(
    world_url: str, data_dir: Path, tmp_path: Path
) -> None:
    path = tmp_path / "ground.geojson"
    path.write_text(json.dumps(FEATURES), "utf-8")
    with serving(world_url, data_dir, by_form=False, map_file=path) as client:
        seen = {}
        for login in ("lab", "metro", "aurore", "boreal", "hospital", "judge", "metro-buyer", "outsider"):
            answer = client(login).get("/map?at=48.86,2.35&zoom=13")
            assert answer.status_code == 200
            seen[login] = set(re.findall(r'<tr id="site-([\w-]+)"', answer.text))
            if login != "outsider":
                assert 'class="water"' in answer.text
                assert "&lt;b&gt;Belleville" in answer.text
                assert '<p class="credit">© OpenStreetMap</p>' in answer.text
                assert "http://" not in answer.text.replace('xmlns="http://www.w3.org', "")
        metro = {"station-centre", "station-north", "depot-east"}
        assert seen["lab"] == {*metro, "hospital-south"}
        assert seen["metro"] == seen["aurore"] == seen["metro-buyer"] == metro
        assert seen["boreal"] == seen["hospital"] == {"hospital-south"}
        assert seen["outsider"] == set()
        wrong = client("lab").get("/map?at=here")
        assert (wrong.status_code, "zoom=12" in wrong.text) == (400, True)


def test_a_mark_says_the_state_in_words_and_leads_to_the_devices(client: SignIn) -> None:
    text = client("lab").get("/map").text
    assert re.search(
        r'<a href="/fleet\?site=station-centre" class="mark state-silent" aria-label="[^"]*silent', text
    )
    closer = re.search(r'href="(/map\?[^"]*zoom=[^"]*)#map">Closer', text)
    assert closer
    assert client("lab").get(closer[1].replace("&amp;", "&")).status_code == 200
