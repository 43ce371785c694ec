"""Plans are drawn again: pixels come out, and nothing else that was in the file."""

from __future__ import annotations

import struct
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import typst
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from insitu.errors import CorrectInput
from tests.pictures import DISARMED, HEIGHT, JPEG, REFUSED, SVG, WIDTH, in_svg, png
from trials.workflow.redrawing import LONGEST, redraw
from trials.workflow.redrawn_fonts import with_known_fonts

KINDS = {b"IHDR", b"IDAT", b"IEND", b"pHYs"}


def chunks(content: bytes) -> dict[bytes, bytes]:
    """The parts of a PNG by their kind; the last of each."""
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    found, place = {}, 8
    while place < len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        found[content[place + 4 : place + 8]] = content[place + 8 : place + 8 + length]
        place += 12 + length
    assert place == len(content), "nothing stands behind the end"
    return found


def test_a_drawing_becomes_a_picture_of_its_shape_as_large_as_plans_are() -> None:
    made = redraw(SVG)
    assert (made.width, made.height) == (LONGEST, LONGEST * HEIGHT // WIDTH)
    head = struct.unpack(">II", chunks(made.png)[b"IHDR"][:8])
    assert head == (made.width, made.height)
    assert redraw(SVG).sha256 == made.sha256, "the same every time"


def test_the_process_that_draws_knows_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program stands in the way of the interpreter and writes down what it was given."""
    asked = tmp_path / "python"
    asked.write_text(f'#!/bin/sh\nenv > {tmp_path}/env\nexec {sys.executable} "$@"\n')
    asked.chmod(0o700)
    for name in ("INSITU_DATABASE_URL", "INSITU_FACTOR_KEY", "PGPASSWORD"):
        monkeypatch.setenv(name, "hidden-from-it")
    monkeypatch.setattr(sys, "executable", str(asked))
    redraw(SVG)
    assert "PATH=" in (tmp_path / "env").read_text("utf-8")
    assert "hidden-from-it" not in (tmp_path / "env").read_text("utf-8")


@pytest.mark.parametrize(("content", "size"), [(png(), (WIDTH, HEIGHT)), (JPEG, (8, 8))])
def test_a_picture_is_not_made_larger_than_it_is(content: bytes, size: tuple[int, int]) -> None:
    made = redraw(content)
    assert (made.width, made.height) == size


def test_a_large_picture_is_made_smaller() -> None:
    made = redraw(png(4800, 1200))
    assert (made.width, made.height) == (LONGEST, LONGEST // 4)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_plan_is_refused_with_advice(name: str) -> None:
    with pytest.raises(CorrectInput) as refused:
        redraw(REFUSED[name])
    said = str(refused.value)
    assert said.endswith(".")
    assert any(word in said for word in (": ", "save", "Save", "Cut")), said
    assert "typst" not in said.lower()
    assert "/tmp" not in said


@pytest.mark.parametrize("name", DISARMED)
def test_nothing_but_pixels_comes_out(name: str) -> None:
    made = redraw(DISARMED[name])
    assert set(chunks(made.png)) <= KINDS
    for word in (b"script", b"alert", b"http", b"svg", b"href"):
        assert word not in made.png


FONTS = ("DejaVu Sans", "DejaVu Sans Mono", "Libertinus Serif")


@pytest.mark.parametrize(
    ("given", "family"),
    [
        ('<text font-family="sans-serif">', "DejaVu Sans"),
        ("<text style='font-family: \"Open Sans\", sans-serif; x'>", "DejaVu Sans"),
        ("<style>text{font-family:Arial}</style>", "DejaVu Sans"),
        ("<text font-family = 'ISOCPEUR'>", "DejaVu Sans"),
        ("<text font-family='monospace'>", "DejaVu Sans Mono"),
        ("<style>a{FONT-FAMILY : Courier New;}</style>", "DejaVu Sans Mono"),
        ('<text font-family="Times, serif" class="sans">', None),
        ('<text font-family="dejavu sans">', None),
        ('<text class="sans-serif">', None),
        ("<text font-family=''>", None),
    ],
)
def test_a_family_that_the_machine_has_stands_before_one_that_it_has_not(
    given: str, family: str | None
) -> None:
    drawn = with_known_fonts(given.encode(), FONTS).decode()
    assert drawn.replace(f"{family}, ", "", 1) == given
    assert (drawn != given) == (family is not None)
    assert with_known_fonts(given.encode(), ["Libertinus Serif"]) == given.encode()


def lettered(family: str) -> bytes:
    return in_svg(f'<text x="5" y="40" font-size="20" font-family="{family}">Quai 12</text>')


def test_letters_are_drawn_without_serifs_where_the_file_asks_for_that() -> None:
    """DejaVu Sans Mono comes with the renderer, so every machine has it."""
    serifs = redraw(lettered("serif")).sha256
    mono = redraw(lettered("monospace")).sha256
    assert mono == redraw(lettered("DejaVu Sans Mono")).sha256
    assert mono != serifs
    families = typst.Fonts().families()
    sans = with_known_fonts(lettered("sans-serif"), families)
    assert (redraw(lettered("sans-serif")).sha256 != serifs) == (sans != lettered("sans-serif"))


@pytest.mark.long
def test_a_drawing_that_takes_for_ever_is_stopped() -> None:
    filters = '<filter id="f"><feTurbulence baseFrequency="0.9" numOctaves="500"/></filter>'
    slow = filters + '<rect width="120" height="60" filter="url(#f)"/>' * 60
    with pytest.raises(CorrectInput, match="too much time or memory"):
        redraw(in_svg(slow), seconds=2)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_file_with_a_wrong_byte_is_a_picture_or_a_refusal(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from([SVG, png(), JPEG])))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(CorrectInput):
        assert set(chunks(redraw(bytes(content)).png)) <= KINDS
