"""Pages in fewer bytes: what a browser gets is the page, and its length tells no secret."""

from __future__ import annotations

import gzip
import re

import httpx
import pytest

from api.strip_drawing import draw_strip
from tests.api.conftest import SignIn, form_token

PAGE = "/fleet"


def raw(client: httpx.Client, path: str, accepts: str) -> tuple[httpx.Headers, bytes]:
    """The bytes as they come over the wire."""
    with client.stream("GET", path, headers={"Accept-Encoding": accepts}) as answer:
        assert answer.status_code == 200
        return answer.headers, b"".join(answer.iter_raw())


def without_what_differs(page: bytes) -> bytes:
    """Form tokens are others in each page, and so are its times."""
    return re.sub(rb'value="[0-9a-f]{128}"|data-ago>[^<]+|[0-9]+', b"", page)


@pytest.mark.parametrize("accepts", ["gzip", "br, GZIP;q=0.5", "*", "deflate, gzip;q=1.0"])
def test_a_browser_that_takes_gzip_gets_the_same_page_in_fewer_bytes(client: SignIn, accepts: str) -> None:
    plain_headers, plain = raw(client("lab"), PAGE, "identity")
    headers, packed = raw(client("lab"), PAGE, accepts)
    assert headers["content-encoding"] == "gzip"
    assert "accept-encoding" in headers["vary"].lower()
    assert int(headers["content-length"]) == len(packed) < len(plain) / 3
    assert without_what_differs(gzip.decompress(packed)) == without_what_differs(plain)
    assert "content-encoding" not in plain_headers
    assert "accept-encoding" in plain_headers["vary"].lower()


@pytest.mark.parametrize("accepts", ["", "br", "gzip;q=0", "gzip; q=0.0, br", "x-gzip-like"])
def test_a_client_that_does_not_gets_it_as_it_is(client: SignIn, accepts: str) -> None:
    headers, page = raw(client("lab"), PAGE, accepts)
    assert "content-encoding" not in headers
    assert page.startswith(b"<!doctype html>")


def test_the_script_of_the_charts_is_the_same_in_both_forms(client: SignIn) -> None:
    _, plain = raw(client(""), "/charts/vega.js", "identity")
    headers, packed = raw(client(""), "/charts/vega.js", "gzip")
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed) == plain
    assert len(packed) < 350_000


def test_styles_and_scripts_come_compressed_and_are_the_same_file(client: SignIn) -> None:
    for name in ("insitu.css", "insitu.js"):
        _, plain = raw(client(""), f"/static/{name}", "identity")
        headers, packed = raw(client(""), f"/static/{name}", "gzip")
        assert headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed) == plain
        assert int(headers["content-length"]) == len(packed)
        again = client("").get(f"/static/{name}", headers={"If-None-Match": headers["etag"]})
        assert again.status_code == 304


def test_the_secret_of_a_form_is_another_text_in_each_page_and_each_of_them_works(client: SignIn) -> None:
    lab = client("lab")
    tokens = [form_token(lab, "/account") for _ in range(5)]
    assert len({*tokens, *(one[:64] for one in tokens), *(one[64:] for one in tokens)}) == 15
    for token in tokens:
        answer = lab.post("/account/profile", data={"form": token, "name": "Lab", "language": "en"})
        assert answer.status_code == 303


def test_no_other_text_is_taken_for_the_secret_of_a_form(client: SignIn) -> None:
    lab, token = client("lab"), form_token(client("lab"), "/account")
    other = form_token(client("judge"), "/account")
    wrong = f"{int(token[0], 16) ^ 1:x}{token[1:]}"
    for form in ("", "x" * 128, token[:-2], token + "00", token[:64], "0" * 128, wrong, other, "é" * 64):
        answer = lab.post("/account/profile", data={"form": form, "name": "Lab", "language": "en"})
        assert answer.status_code == 400, form
        assert "too old, or was sent from elsewhere" in answer.text


class Day:
    def __init__(self, share: float | None) -> None:
        self.share = share
        self.level = "full" if (share or 0) >= 0.9 else "poor"


def bars(svg: str) -> list[tuple[str, float, float, float]]:
    """(style, x, y, height) of each bar, read from the paths."""
    return sorted(
        (style, float(x), float(y), float(height))
        for style, d in re.findall(r'<path class="(\w+)" d="([^"]*)"/>', svg)
        for x, y, height in re.findall(r"M(\S+) (\S+?)h5v([0-9.]+)h-5z", d)
    )


def test_a_strip_has_a_bar_for_each_day_whose_height_is_its_share() -> None:
    svg = str(draw_strip([Day(1.0), Day(0.5), Day(None), Day(0.0)]))
    assert bars(svg) == [
        ("bed", 0, 1, 18),
        ("bed", 7, 1, 18),
        ("bed", 21, 1, 18),
        ("full", 0, 1, 18),
        ("none", 14, 17, 2),
        ("poor", 7, 10, 9),
        ("poor", 21, 17.5, 1.5),
    ]
    assert draw_strip([]) == ""
