"""Lines of brokers' logs, as NATS 2.15 and Mosquitto 2.0 print them, and reading a log that is rotated."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insitu.embedded.broker_lines import Connected, Denied, Line, Replaced, read_line, topic_of_subject
from insitu.embedded.log_position import Position, read_piece
from insitu.embedded.users import subject

NATS = "[3988] 2026/11/29 12:21:53.683412 "


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            NATS + '[ERR] 127.0.0.1:60303 - mid:28 - "x583377" - Publish Violation - Subject "a.b//c./.d"',
            Denied("3988/28", "a/b.c//d"),
        ),
        (
            NATS + r'[ERR] [::1]:1 - mid:9 - "i\"d" - Publish Violation - Subject "tele.\u200bü.\"x"',
            Denied("3988/9", 'tele/\u200bü/"x'),
        ),
        (
            NATS + '[WRN] 127.0.0.1:41505 - mid:58 - "same" - Replacing old client '
            r'"127.0.0.1:46135 - mid:57 - \"same\"" since both have the same client ID "same"',
            Replaced("3988/57", "3988/58", "same"),
        ),
        (
            "1795955204: Denied PUBLISH from u1 (d0, q1, r0, m1, 'tele/q'x, y', ... (2 bytes))",
            Denied("u1", "tele/q'x, y"),
        ),
        (
            "2026-11-29T12:00:00Z: Denied PUBLISH from u1 (d1, q1, r1, m65535, '$SYS/x', ... (0 bytes))",
            Denied("u1", "$SYS/x"),
        ),
        ("1: Client id1 already connected, closing old connection.", Replaced("id1", "", "id1")),
        (
            "1: New client connected from 127.0.0.1:60936 as id1 (p2, c1, k60, u'u1').",
            Connected("id1", "u1"),
        ),
        ("1: Received PUBLISH from u1 (d0, q1, r0, m1, 'a/x', ... (2 bytes))", None),
        # a client's id may look like another line
        (
            "1: New client connected from 127.0.0.1:1 as x: Denied PUBLISH from u2 (d0, q1, r0, m1, 'a', "
            "... (2 bytes)) (p2, c1, k60, u'u1').",
            Connected("x: Denied PUBLISH from u2 (d0, q1, r0, m1, 'a', ... (2 bytes))", "u1"),
        ),
        (
            NATS + r'[ERR] 127.0.0.1:1 - mid:9 - "x\" - Publish Violation - Subject \"a" - invalid character',
            None,
        ),
    ],
)
def test_a_line_says_who_was_denied_what(text: str, line: Line | None) -> None:
    assert read_line(text) == line


@given(st.text())
def test_any_line_is_read_or_skipped(text: str) -> None:
    read_line(text)
    read_line(f"1: {text} mid:1 Denied PUBLISH client")


@given(st.lists(st.text(st.characters(exclude_characters="/+#*>"), min_size=1), min_size=1).map("/".join))
def test_the_topic_of_a_subject_is_the_one_that_was_published(topic: str) -> None:
    assert topic_of_subject(subject(topic)) == topic


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=8),
    st.lists(st.booleans(), min_size=8, max_size=8),
    st.integers(16, 200),
)
def test_every_line_is_read_once_however_the_log_is_rotated(
    tmp_path_factory: pytest.TempPathFactory, batches: list[int], rotated: list[bool], most: int
) -> None:
    log = tmp_path_factory.mktemp("log") / "server.log"
    log.write_text("")
    position, lines, written = Position(), list[str](), 0
    for number, count in enumerate(batches):
        with log.open("a") as file:
            file.writelines(f"line {written + more}\n" for more in range(count))
        written += count
        if rotated[number]:
            log.replace(log.with_name(f"server.log.{number}"))
            log.write_text("")
        if number % 2 or number == len(batches) - 1:
            more = True
            while more:
                piece = read_piece(log, position, most)
                position, more = piece.position, piece.more
                lines += piece.lines
                assert not piece.missed
    assert lines == [f"line {number}" for number in range(written)]


def test_half_a_line_waits_for_its_end_and_a_lost_file_is_said(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("one\ntw")
    piece = read_piece(log, Position())
    assert (piece.lines, piece.more) == (["one"], False)
    with log.open("a") as file:
        file.write("o\n")
    piece = read_piece(log, piece.position)
    assert piece.lines == ["two"]
    log.rename(tmp_path / "log.1.gz")
    log.write_text("three\n")
    piece = read_piece(log, piece.position)
    assert (piece.lines, piece.missed) == (["three"], True)
