"""The views of the ledger for people and machines: by device, by hour, and for Prometheus. Each adds up to
the same sums.
"""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from store.ledger import recount
from tests.api.conftest import SignIn, server
from tests.stack import Stack, stamp, wait_until

MESSAGES = ("accepted", "partly", "rejected", "repeated")
RESULTS = ("stored", "duplicate", "conflicting", "refused", "ignored")


def test_the_hours_of_a_device_add_up_to_its_line_in_the_api(client: SignIn) -> None:
    lab = client("lab")
    by_device = lab.get("/api/v1/trials/platform-air/ledger").json()["items"]
    assert by_device
    for line in by_device:
        asked = {
            "by": "hour",
            "device": line["device"],
            "start": "2020-01-01T00:00:00Z",
            "end": "2100-01-01T00:00:00Z",
            "limit": 3,
        }
        hours, cursor = [], None
        while True:
            page = lab.get(
                "/api/v1/trials/platform-air/ledger", params=asked | ({"cursor": cursor} if cursor else {})
            ).json()
            hours += page["items"]
            if (cursor := page["next"]) is None:
                break
        assert [one["hour"] for one in hours] == sorted({one["hour"] for one in hours}, reverse=True)
        for name in ("received", *MESSAGES, "contained", *RESULTS):
            assert sum(one[name] for one in hours) == line[name], (line["device"], name)
        for one in hours:
            assert one["received"] == sum(one[name] for name in MESSAGES)
            assert one["contained"] == sum(one[name] for name in RESULTS)


def test_the_page_shows_both_sums_by_device_and_hour(client: SignIn) -> None:
    page = client("lab").get("/rejects?trial=platform-air&by=hour").text
    ledger = page.partition('id="ledger"')[2]
    assert "Both sums add up in every line." in ledger
    assert re.search(r'<span class="sub">\d\d/\d\d/\d{4}, \d\d:00</span>', ledger)
    assert (
        '<span class="sub">'
        not in client("lab").get("/rejects?trial=platform-air").text.partition('id="ledger"')[2]
    )


def test_prometheus_counts_what_the_ledger_counts(stack: Stack, data_dir: Path) -> None:
    device = stack.device("t/a")
    device.send({"time": stamp(5), "results": {"pm25": 1.0, "co2": 400.0}})
    device.send({"time": stamp(5), "results": {"pm25": 1.0}})
    device.send(b"junk")
    while (
        device.hears("rejected")["reason"] != "unparsable"
    ):  # the device hears of it after the acknowledgement: the broker will not repeat the message
        continue
    stack.broker.stop()
    stack.broker.start()
    wait_until(
        lambda: stack.rows("SELECT disconnects FROM shard") == [(1,)], "the count of the broken connection"
    )
    with server(stack.database_url, data_dir, metrics_token="m" * 32) as address:
        text = httpx.get(
            f"{address}/metrics", headers={"Authorization": f"Bearer {'m' * 32}"}, timeout=30
        ).text
    (sums,) = stack.rows(
        f"SELECT {', '.join(f'sum({name})::int' for name in (*MESSAGES, *RESULTS))} FROM ledger"
    )
    counted = dict(zip((*MESSAGES, *RESULTS), sums, strict=True))
    assert (counted["partly"], counted["rejected"], counted["stored"], counted["refused"]) == (1, 1, 1, 1)
    for line in (
        *(f'insitu_messages_total{{outcome="{name}",trial="t"}} {counted[name]}.0' for name in MESSAGES),
        *(f'insitu_results_total{{outcome="{name}",trial="t"}} {counted[name]}.0' for name in RESULTS),
        'insitu_refused_messages_total{reason="unparsable",trial="t"} 1.0',
        'insitu_refused_messages_total{reason="unknown_property",trial="t"} 1.0',
        "insitu_ingest_pending 0.0",
        "insitu_ingest_dropped_total 0.0",
        "insitu_ingest_disconnects_total 1.0",
    ):
        assert line in text.splitlines()
    assert (
        float(
            re.search(
                r"^insitu_ingest_window "
                r"(\S+)$",
                text,
                re.MULTILINE,
            )[1]
        )
        >= 1000
    )  # type: ignore[index]
    assert recount(stack.conn) == []
    device.close()
