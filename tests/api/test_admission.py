"""Which requests are admitted, in which order, and the answers that the others get."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.grouped import Grouped
from api.lanes import Busy, Lane
from insitu.errors import InsituError, NotFound, RetryLater
from insitu.readiness import FRESH_S, Readiness, Stage
from tests.api.conftest import server, sign_in


def test_a_client_with_500_requests_lets_the_next_client_in_after_one_of_them() -> None:
    async def run() -> list[str]:
        lane, served = Lane(1, per_client=1, patience_s=10), []

        async def ask(client: str) -> None:
            async with lane.place(client):
                served.append(client)
                await asyncio.sleep(0)

        crowd = [asyncio.create_task(ask("crowd")) for _ in range(500)]
        await asyncio.sleep(0)
        await ask("other")
        position = len(served)
        await asyncio.gather(*crowd)
        assert len(served) == 501
        return served[:position]

    assert asyncio.run(run()).count("crowd") <= 2


@given(
    places=st.integers(1, 4),
    per_client=st.integers(1, 4),
    asks=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.booleans()), max_size=40),
)
def test_no_more_are_in_than_there_are_places_and_every_place_comes_back(
    places: int, per_client: int, asks: list[tuple[str, int, bool]]
) -> None:
    async def run() -> None:
        lane, inside = Lane(places, per_client=per_client, patience_s=5), {"a": 0, "b": 0, "c": 0}

        async def ask(client: str, turns: int) -> None:
            async with lane.place(client):
                inside[client] += 1
                assert sum(inside.values()) <= places
                assert inside[client] <= per_client
                try:
                    for _ in range(turns):
                        await asyncio.sleep(0)
                finally:
                    inside[client] -= 1

        tasks = [(asyncio.create_task(ask(client, turns)), leaves) for client, turns, leaves in asks]
        await asyncio.sleep(0)
        for task, leaves in tasks:
            if leaves:
                task.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(*[task for task, _ in tasks], return_exceptions=True)
        async with AsyncExitStack() as held:
            for number in range(
                places
            ):  # all places are free again: the same number of other clients is admitted at once
                await asyncio.wait_for(held.enter_async_context(lane.place(f"later{number}")), 1)

    asyncio.run(run())


def test_who_finds_no_place_in_time_is_told_to_come_back() -> None:
    async def run() -> float:
        lane = Lane(1, per_client=1, patience_s=0.2)
        async with lane.place("slow"):
            started = time.monotonic()
            with pytest.raises(Busy):
                async with lane.place("next"):
                    raise AssertionError("there is no place")
            return time.monotonic() - started

    assert 0.1 < asyncio.run(run()) < 2


def test_a_group_is_answered_each_with_its_own_and_a_full_queue_is_said_at_once() -> None:
    sizes: list[int] = []
    began, go = threading.Event(), threading.Event()

    def double(asked: Sequence[int]) -> Sequence[int | InsituError]:
        sizes.append(len(asked))
        began.set()
        assert go.wait(20)
        return [NotFound() if ask == 13 else 2 * ask for ask in asked]

    async def run() -> list[int | BaseException]:
        grouped: Grouped[int, int] = Grouped("test", double, most=50, most_waiting=100)
        try:
            first = asyncio.create_task(grouped.answer(0, 20))
            await asyncio.to_thread(began.wait, 20)
            rest = [asyncio.create_task(grouped.answer(n, 20)) for n in range(1, 151)]
            await asyncio.sleep(0)
            go.set()
            return [await first, *await asyncio.gather(*rest, return_exceptions=True)]
        finally:
            grouped.close()

    answers = asyncio.run(run())
    assert answers[:13] == [2 * n for n in range(13)]
    assert isinstance(answers[13], NotFound)
    assert answers[14:101] == [2 * n for n in range(14, 101)]
    assert all(isinstance(answer, Busy) for answer in answers[101:])
    assert len(sizes) <= 4, "many at a time"


def test_what_waits_too_long_is_not_done_later() -> None:
    done: list[str] = []

    began, go = threading.Event(), threading.Event()

    def work(asked: Sequence[str]) -> Sequence[str | InsituError]:
        began.set()
        assert go.wait(20)
        done.extend(asked)
        return list(asked)

    async def run() -> None:
        grouped: Grouped[str, str] = Grouped("test", work, most=1, most_waiting=10)
        first = asyncio.create_task(grouped.answer("first", 20))
        await asyncio.to_thread(began.wait, 20)
        with pytest.raises(RetryLater):
            await grouped.answer("second", 0.1)
        go.set()
        assert await first == "first"
        assert await grouped.answer("third", 20) == "third"
        grouped.close()

    asyncio.run(run())
    assert done == ["first", "third"]


# -- readiness


class Probe:
    """The last finding of the probe; a test changes it."""

    def __init__(self) -> None:
        self.stage: Stage | None = None
        self.age_s = 0.0

    def __call__(self) -> Readiness:
        return Readiness(
            self.stage,
            "The broker <refuses>: look at its log." if self.stage else "",
            time.monotonic() - self.age_s,
        )


@pytest.fixture
def probed(world_url: str, data_dir: Path) -> Iterator[tuple[str, Probe]]:
    probe = Probe()
    with server(world_url, data_dir, readiness=probe, metrics_token="prometheus") as address:
        yield address, probe


def test_readyz_says_what_the_probe_says_and_nothing_of_the_detail(probed: tuple[str, Probe]) -> None:
    address, probe = probed
    answer = httpx.get(f"{address}/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True})
    for stage in Stage:
        probe.stage = stage
        answer = httpx.get(f"{address}/readyz")
        assert (answer.status_code, answer.json()) == (503, {"ready": False, "stage": str(stage)})
    probe.stage, probe.age_s = None, FRESH_S + 1
    answer = httpx.get(f"{address}/readyz")
    assert answer.status_code == 503, "a probe that hangs proves nothing"
    assert answer.json()["ready"] is False


def test_metrics_name_the_stage_that_fails(probed: tuple[str, Probe]) -> None:
    address, probe = probed
    headers = {"Authorization": "Bearer prometheus"}
    assert "insitu_ready 1.0" in httpx.get(f"{address}/metrics", headers=headers).text
    probe.stage = Stage.SIGN_IN
    text = httpx.get(f"{address}/metrics", headers=headers).text
    assert "insitu_ready 0.0" in text
    assert re.findall(r'insitu_ready_failed\{stage="(\w+)"\} 1.0', text) == ["sign_in"]
    assert httpx.get(f"{address}/metrics").status_code == 401


def test_every_page_says_that_nothing_is_taken_in_and_only_the_lab_reads_why(
    probed: tuple[str, Probe],
) -> None:
    address, probe = probed
    for login, detail in (("lab", True), ("metro", False)):
        with httpx.Client(base_url=address, timeout=30) as client:
            probe.stage = None
            sign_in(client, login)
            assert 'class="trouble"' not in client.get("/fleet").text
            probe.stage = Stage.PUBLISH
            for path in ("/", "/fleet", "/trials", "/nowhere"):
                text = client.get(path).text
                assert "Insitu is not taking in messages" in text
                assert ("&lt;refuses&gt;" in text) is detail
    assert 'class="trouble"' not in httpx.get(f"{address}/sign-in").text


# -- live streams


def test_a_person_has_ten_live_streams_and_an_eleventh_is_refused(world_url: str, data_dir: Path) -> None:
    with (
        server(world_url, data_dir) as address,
        httpx.Client(base_url=address, timeout=30) as client,
        ExitStack() as open_streams,
    ):
        sign_in(client, "metro")
        for _ in range(10):
            answer = open_streams.enter_context(client.stream("GET", "/live/fleet"))
            assert answer.status_code == 200
        limit = time.monotonic() + 10
        status = 200
        while status == 200 and time.monotonic() < limit:  # the server counts a stream when it begins to send
            with client.stream("GET", "/live/fleet") as answer:
                status = answer.status_code
        assert status == 503
        with httpx.Client(base_url=address, timeout=30) as other:
            sign_in(other, "aurore")
            with other.stream("GET", "/live/fleet") as answer:
                assert answer.status_code == 200


# -- bodies


@pytest.mark.alone
def test_nobody_waits_for_the_body_of_somebody_unknown(world_url: str, data_dir: Path) -> None:
    with server(world_url, data_dir) as address:
        port = int(address.rpartition(":")[2])
        for head in (
            b"POST /api/v1/trials/platform-air/devices/p1-north/observations HTTP/1.1\r\nAuthorization: "
            b"Bearer wrong",
            b"POST /api/v1/trials/platform-air/protocol/check HTTP/1.1",
            b"POST /sign-out HTTP/1.1",
        ):
            with socket.create_connection(("127.0.0.1", port)) as line:
                line.settimeout(8)
                line.sendall(head + b"\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
                started = time.monotonic()
                answer = line.recv(4096)
                assert answer.split(b" ")[1] == b"401", answer
                assert time.monotonic() - started < 5, "less than a body may take"


def test_a_form_of_somebody_unknown_is_small(world_url: str, data_dir: Path) -> None:
    with server(world_url, data_dir) as address:
        answer = httpx.post(f"{address}/sign-in", data={"login": "x" * 20_000})
        assert answer.status_code == 413
