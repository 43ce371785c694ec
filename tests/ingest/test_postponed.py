"""Which messages of a batch may wait for those of the next ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ingest.postponed import Sorted, sort_out
from ingest.prepared import Prepared
from ingest.reading import prepare
from insitu.model import Message
from store.catalogue.snapshot import CatalogueSnapshot, KnownDatastream, KnownDevice
from tests.ingest.test_batch import message, result

A = KnownDevice(1, "t", "a", None, ((0, None),), {"pm25": KnownDatastream(1, 1.0, 0.0, "number")})
SNAPSHOT = CatalogueSnapshot(1, frozenset("t"), {("t", "a"): A}, {})
CUT = b'{"boot":"b","seq":1,"ti'


def sort(*messages: Message, held: tuple[Prepared, ...] = (), most: int = 9) -> Sorted:
    return sort_out(range(len(messages)), prepare(messages, SNAPSHOT), held, SNAPSHOT, most)


def cut(mid: int, **more: object) -> Message:
    return message(CUT, mid=mid)._replace(**more)  # type: ignore[arg-type]


def test_what_cannot_be_read_waits_and_keeps_its_place() -> None:
    found = sort(cut(1), message(result(1)), cut(3))
    assert [item.message.mid for item in found.later] == [1, 3]
    assert (found.left, found.places, len(found.items)) == ([0, 2], [1], 1)


@pytest.mark.parametrize(
    "other",
    [
        message(result(1)),
        message({"results": {"pm25": 1.0}}),
        message({"boot": "b", "seq": 1, "time": 1764445678, "results": {"nox": 1.0}}),
        cut(7, qos=0),
        cut(7, retained=True),
        cut(7, topic="insitu/v1/t/stranger/obs"),
        message(b"", mid=7),
    ],
)
def test_only_a_refusal_of_a_known_device_that_is_nothing_else_waits(other: Message) -> None:
    found = sort(other)
    assert (list(found.later), found.places) == ([], [0])


def test_they_wait_until_they_are_too_many() -> None:
    held = tuple(sort(cut(1), cut(2)).later)
    assert len(sort(cut(3), held=held, most=3).later) == 3
    found = sort(cut(3), held=held, most=2)
    assert (found.later, found.left, found.places) == ((), (), [-2, -1, 0])
    assert [item.message.mid for item in found.items] == [1, 2, 3]
    assert [item.message.mid for item in sort(held=held, most=0).items] == [1, 2]


def test_a_repeat_lets_none_wait_since_it_may_be_of_one_that_does() -> None:
    held = tuple(sort(cut(1)).later)
    found = sort(cut(2), cut(1, repeat=True), held=held)
    assert [item.message.mid for item in found.items] == [1, 2, 1]


def test_a_catalogue_that_changed_meanwhile_reads_them_again() -> None:
    held = tuple(sort(cut(1), cut(2)).later)
    changed = replace(SNAPSHOT, devices={("t", "a"): replace(A, retired_us=0)})
    found = sort_out([], [], held, changed, 9)
    assert [list(item.refused) for item in found.items] == [["not_deployed"]] * 2
    assert found.later == ()
