"""Long lists: search, order and pages, as properties and on the pages."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages.listing import PER_PAGE, Arranged, Asked, arrange, fold
from tests.api.conftest import SignIn

Item = tuple[str, int | None]
items = st.lists(st.tuples(st.text("abcéÉ Z", max_size=6), st.none() | st.integers(0, 9)), max_size=140)


def arranged(found: list[Item], asked: Asked) -> Arranged[Item]:
    return arrange(
        found,
        asked,
        path="/list",
        text=lambda one: one[0],
        columns={"text": lambda one: one[0], "number": lambda one: one[1]},
        filters={"state": "late"},
    )


@given(found=items, sort=st.sampled_from(["", "text", "-text", "number", "-number", "nothing"]))
def test_every_item_is_on_one_page_in_the_order_that_was_asked_for(found: list[Item], sort: str) -> None:
    first = arranged(found, Asked("", sort, 1))
    pages = [arranged(found, Asked("", sort, number)).items for number in range(1, first.pages + 1)]
    listed = [one for page in pages for one in page]
    assert sorted(map(str, listed)) == sorted(map(str, found))
    assert all(len(page) == PER_PAGE for page in pages[:-1])
    if sort in ("", "nothing"):
        assert listed == found
    if sort.endswith("number"):
        numbers = [one[1] for one in listed]
        known = [number for number in numbers if number is not None]
        assert numbers == known + [None] * (len(numbers) - len(known)), "the unknown come last"
        assert known == sorted(known, reverse=sort.startswith("-"))
    if sort.endswith("text"):
        texts = [fold(one[0]) for one in listed]
        assert texts == sorted(texts, reverse=sort.startswith("-"))


@given(found=items, q=st.text("aceÉ ", max_size=5))
def test_a_search_finds_each_item_with_all_words_and_no_other(found: list[Item], q: str) -> None:
    plain = str.maketrans("éÉ", "ee")
    words = q.translate(plain).lower().split()
    expected = [one for one in found if all(word in one[0].translate(plain).lower() for word in words)]
    assert arranged(found, Asked(q, "", 1)).total == len(expected)


def test_an_address_keeps_filters_and_search_and_turns_the_order() -> None:
    shown = arranged([("a", n) for n in range(120)], Asked("a", "number", 2))
    assert (shown.number, shown.pages, shown.first) == (2, 3, 51)
    following = parse_qs(urlsplit(shown.address(page=3)).query)
    assert following == {"state": ["late"], "q": ["a"], "sort": ["number"], "page": ["3"]}
    assert parse_qs(urlsplit(shown.turned("number")).query)["sort"] == ["-number"]
    assert "page" not in parse_qs(urlsplit(shown.turned("text")).query)
    assert (shown.direction("number"), shown.direction("text")) == ("ascending", "")
    assert arranged([], Asked("", "", 9)).number == 1


def rows_of(text: str) -> list[str]:
    return re.findall(r'<th scope="row"[^>]*><a href="[^"]*">([^<]*)</a>', text)


@pytest.mark.parametrize(
    ("path", "column"),
    [("/fleet", "device"), ("/sites", "site"), ("/map", "site")],
)
def test_a_list_is_ordered_and_searched_by_its_address(client: SignIn, path: str, column: str) -> None:
    lab = client("lab")
    up, down = (rows_of(lab.get(f"{path}?sort={sign}{column}").text) for sign in ("", "-"))
    assert len(up) >= 4
    assert up == sorted(up, key=str.casefold)
    assert down == up[::-1]
    assert (
        rows_of(lab.get(f"{path}?q={up[0].split()[0]}").text)
        == [one for one in up if up[0].split()[0] in one]
        or path == "/fleet"
    )
    nothing = lab.get(f"{path}?q=zzzzzz")
    assert nothing.status_code == 200
    assert rows_of(nothing.text) == []
    assert "search for another word" in nothing.text.lower()
    assert lab.get(f"{path}?page=99").status_code == 200
    assert lab.get(f"{path}?page=0").status_code == 422


def test_a_column_says_in_which_direction_it_is_ordered(client: SignIn) -> None:
    text = client("lab").get("/fleet?sort=-battery").text
    assert re.findall(r'aria-sort="(\w+)"', text) == ["descending"]
    assert re.search(r'aria-sort="descending"><a class="order" href="/fleet\?sort=battery">Battery', text)


def test_the_trials_are_searched(client: SignIn) -> None:
    text = client("lab").get("/trials?q=noise").text
    assert "street-noise" in text
    assert "/trials/platform-air" not in text
    assert "No trial is in this selection" in client("lab").get("/trials?q=zzz").text


def test_a_live_row_is_added_to_a_whole_list_alone(client: SignIn) -> None:
    assert "data-grows" in client("lab").get("/fleet").text
    assert "data-grows" not in client("lab").get("/fleet?q=p1").text
    assert "data-grows" not in client("lab").get("/fleet?state=online").text
