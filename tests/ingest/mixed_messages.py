"""A trial of devices of every kind, and streams of messages for them from a seed: good, odd, repeated,
contradicting, late, lost, malformed. Written from docs/formats.md; knows nothing of how messages are read.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from insitu.model import DatastreamRole, Message
from insitu.times import to_us
from store.catalogue.datastreams import add_datastream
from store.catalogue.deployments import deploy, end_deployment
from store.catalogue.devices import add_device, retire_device
from store.catalogue.networks import add_address, add_network_server
from store.catalogue.topics import add_topic
from store.database import Connection
from store.fields import FieldRule
from store.mapping import new_mapping
from store.mappings import replace_mappings
from tests.fix_catalogue import START
from tests.ingest.hostile import PAYLOADS, suffix_of

T0 = START + timedelta(days=30)
_MINUTE = timedelta(minutes=1)
_EUI = "0101010101010101"
PLAIN = ("a", "b", "factor", "mixed", "wide", "moved", "ended", "other-unit", "judging")
"""Devices whose messages are mostly good."""


def enrol(conn: Connection) -> None:
    """Adds to the small trial: devices with factors, other units, booleans, several and ended deployments, a
    mapping, a datastream that may say that others are bad, an address at a network server, a fixed topic; one
    is not deployed.
    """
    kinds = {
        "factor": [
            ("pm25", "pm25", "mg/m3", "number", 1000.0, 0.5),
            ("pm", "pm25", "ug/m3", "number", 1.0, 0.0),
        ],
        "mixed": [("pm25", "pm25", "ug/m3", "number", 1.0, 0.0), ("fan", "fan", "1", "boolean", 1.0, 0.0)],
        "judging": [
            ("pm25", "pm25", "ug/m3", "number", 1.0, 0.0),
            ("valid", "fan", "1", "boolean", 1.0, 0.0),
        ],
        "wide": [(f"pm25_{n}", "pm25", "ug/m3", "number", 1.0 + n, -n / 3) for n in range(10)],
    }
    usual = [("pm25", "pm25", "ug/m3", "number", 1.0, 0.0)]
    for code in (
        "factor",
        "mixed",
        "wide",
        "moved",
        "ended",
        "other-unit",
        "judging",
        "mapped",
        "network",
        "fixed",
        "off",
    ):
        device_id = add_device(conn, trial="t", code=code, now=START)
        if code != "off":
            deploy(conn, device_id=device_id, site="station", position=code, start=START)
        if code in ("moved", "ended"):
            end_deployment(conn, device_id=device_id, at=T0 - timedelta(days=2))
        if code == "moved":
            deploy(conn, device_id=device_id, site="station", position="new", start=T0 - timedelta(hours=30))
        for name, observed, unit, result_type, scale, shift in kinds.get(code, usual):
            add_datastream(
                conn,
                device_id=device_id,
                name=name,
                property=observed,
                unit=unit,
                role=DatastreamRole.CANDIDATE,
                result_type=result_type,
                scale=scale,
                shift=shift,
                expected_interval=timedelta(minutes=1),
            )
        if code == "network":
            add_network_server(conn, code="lora", kind="chirpstack", now=START)
            add_address(conn, network_server="lora", address=f"chirpstack/{_EUI}", device_id=device_id)
        if code == "fixed":
            add_topic(conn, topic="tele/x/SENSOR", device_id=device_id, suffix="obs", field=None, now=START)
    rule = FieldRule(missing=(2,), scale=10.0)
    replace_mappings(
        conn, "t", [new_mapping(conn, field="pm25", property="pm25", devices="mapped", rule=rule)]
    )


def change(conn: Connection, rng: random.Random, now: datetime) -> None:
    """Something that a lab or the checks do between two batches."""
    match rng.randrange(4):
        case 0:
            conn.execute(
                "INSERT INTO sealed_part (kind, part, noted_until, time_zone)"
                " SELECT 'observation', datastream_id, %s, 'UTC' FROM datastream"
                " ON CONFLICT (kind, part) DO UPDATE SET noted_until = excluded.noted_until"
                " WHERE excluded.noted_until > sealed_part.noted_until",
                (now - timedelta(hours=rng.randrange(50)),),
            )
        case 1:
            conn.execute("UPDATE observation SET flag = 3 WHERE result > 5 AND flag = 2")
            conn.execute("UPDATE datastream_latest SET unchecked_from = NULL")
        case 2:
            device_id = _id(conn, "b")
            conn.execute("UPDATE datastream SET scale = scale * 2 WHERE device_id = %s", (device_id,))
        case 3:
            if conn.execute("SELECT FROM device WHERE code = 'wide' AND retired_at IS NULL").fetchall():
                retire_device(conn, device_id=_id(conn, "wide"), at=now)


def _id(conn: Connection, code: str) -> int:
    return int(conn.execute("SELECT device_id FROM device WHERE code = %s", (code,)).fetchall()[0][0])


class Fleet:
    """Messages in order of arrival. The same seed gives the same messages."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = T0
        self.mid = 0
        self.sent: list[tuple[str, bytes]] = []
        self.seqs: dict[str, int] = {}
        self.boots = dict.fromkeys(PLAIN, "k0")

    def batches(self, messages: int) -> Iterator[list[Message]]:
        """That number of messages, cut at random places."""
        while messages > 0:
            size = min(messages, self.rng.choice((1, 5, 15, 16, 17, 40, 90)))
            messages -= size
            slow = self.rng.random() < 0.1  # the database was away: receipts of one batch lie far apart
            yield [self._message(slow) for _ in range(size)]

    def _message(self, slow: bool) -> Message:
        rng = self.rng
        self.now += timedelta(seconds=rng.expovariate(1 / (60 if slow else 0.4)))
        self.mid += 1
        if self.sent and rng.random() < 0.12:
            topic, payload = rng.choice(self.sent[-60:])
        else:
            topic, payload = self._odd() if rng.random() < 0.2 else self._usual()
            self.sent.append((topic, payload))
        unread = b"u" * 32 if rng.random() < 0.01 else b""
        return Message(
            topic,
            payload,
            to_us(self.now),
            self.mid if rng.random() < 0.97 else rng.randrange(1, 9),
            1,
            rng.random() < 0.95,
            rng.random() < 0.02,
            300_000 if rng.random() < 0.01 else len(payload),
            rng.random() < 0.1,
            rng.choice(("one", "two")) if rng.random() < 0.1 else "one",
            rng.random() < 0.95,
            unread,
        )

    # -- good messages, with what goes wrong in the field

    def _usual(self) -> tuple[str, bytes]:
        device = self.rng.choice(PLAIN)
        document: dict[str, Any] = {
            **self._number(device),
            "time": self._time(),
            "results": self._results(device),
        }
        if self.rng.random() < 0.05:
            del document["time"]
        if self.rng.random() < 0.1:
            document = dict(reversed(document.items()))
        spaces = None if self.rng.random() < 0.2 else (",", ":")
        return f"insitu/v1/t/{device}/obs", json.dumps(document, separators=spaces).encode()

    def _number(self, device: str) -> dict[str, Any]:
        rng = self.rng
        if rng.random() < 0.1:
            return {}
        if rng.random() < 0.03:
            self.boots[device] = f"k{rng.randrange(6)}"
            self.seqs.pop(device, None)
        step = rng.choice((1,) * 20 + (0, 2, 5, -1, -3))
        self.seqs[device] = max(0, self.seqs.get(device, 0) + step)
        return {"boot": self.boots[device], "seq": self.seqs[device]}

    def _time(self) -> str | float | int:
        """On a grid, so that keys meet; in every form that is read, and in some that are not."""
        rng = self.rng
        grid = T0 + _MINUTE * rng.randrange(-20, 1 + max(1, (self.now - T0) // _MINUTE))
        odd: tuple[timedelta, ...] = (
            timedelta(days=-1),
            timedelta(days=-2, hours=-1),
            timedelta(days=-40),
            timedelta(days=-31, hours=-12),
            timedelta(minutes=9),
            timedelta(minutes=11),
            timedelta(days=400),
            timedelta(microseconds=1),
        )
        when = self.now + rng.choice(odd) if rng.random() < 0.12 else grid
        seconds = to_us(when) / 1e6
        zone = timezone(timedelta(minutes=rng.choice((0, 60, -330))))
        forms: list[str | float | int] = [when.astimezone(UTC).isoformat().replace("+00:00", "Z")] * 8
        forms += [
            when.astimezone(zone).isoformat(),
            int(seconds),
            seconds,
            int(seconds * 1e3),
            int(seconds * 1e6),
        ]
        forms += [int(seconds * 1e9), when.replace(tzinfo=None).isoformat(), when.isoformat(" ")]
        return rng.choice(forms)

    def _results(self, device: str) -> dict[str, Any]:
        rng = self.rng
        names = {
            "factor": ("pm25", "pm"),
            "mixed": ("pm25", "fan"),
            "judging": ("pm25", "valid"),
            "wide": tuple(f"pm25_{n}" for n in range(10)),
        }.get(device, ("pm25",))
        if rng.random() < 0.2:
            names = tuple(rng.sample(names, rng.randint(1, len(names))))
        return {name: self._result(name) for name in names}

    def _result(self, name: str) -> Any:
        rng = self.rng
        if rng.random() < 0.02:
            return rng.choice((None, "3", True, False, 1e308, -1e308, 10**25, 10**400, [1], {"x": 2}, -0.0))
        if name in ("fan", "valid"):
            return rng.random() < 0.5 if rng.random() < 0.95 else rng.randrange(2)
        return rng.choice((1, 2, 3.5, 4, 5.25, 6, 12.75, rng.random()))

    # -- odd messages

    def _odd(self) -> tuple[str, bytes]:
        rng = self.rng
        kinds = (self._broken, self._broken, self._beside, self._beside, self._stranger, self._shape)
        return rng.choice((*kinds, self._recorded, self._status, self._own))()

    def _broken(self) -> tuple[str, bytes]:
        """Cut off, with bytes around it, or with one byte changed."""
        rng = self.rng
        topic, payload = self._usual()
        at = rng.randrange(len(payload))
        return topic, rng.choice(
            (
                payload[:at],
                payload + b"\0\0",
                b"\xef\xbb\xbf" + payload,
                payload[:at] + bytes([rng.randrange(256)]) + payload[at + 1 :],
                payload + payload,
                payload.replace(b"2", b"NaN", 1),
                b"",
                b"{}",
                b"null",
                b"[" * 40,
            )
        )

    def _beside(self) -> tuple[str, bytes]:
        """Something beside the usual keys, or under them."""
        rng = self.rng
        topic, payload = self._usual()
        document = json.loads(payload)
        beside = {
            "quality": "bad",
            "valid": False,
            "unit": "ug/m3",
            "note": "x",
            "units": "mg/m3",
            "ts": 5,
            "boot": "a@b.c",
            "seq": 2**63 - 2,
            "time": None,
            "observations": [],
            "results": {},
        }
        key = rng.choice(list(beside))
        if rng.random() < 0.2:  # twice the same key
            return topic, payload[:-1] + f",{json.dumps(key)}:{json.dumps(beside[key])}}}".encode()
        if rng.random() < 0.3:
            results = document["results"]
            results[rng.choice(("nox", "pm25_status", "TempUnit", "Time", "pm\u0000", "\ud800", 'p"m'))] = (
                "bad"
            )
        else:
            document[key] = rng.choice((beside[key], 2**63 - 1, -1, "b" * 65, "", 1.5, True))
        return topic, json.dumps(document).encode()

    def _shape(self) -> tuple[str, bytes]:
        """A list of messages, observations with a time and unit each, or another dialect."""
        rng = self.rng
        device = rng.choice(PLAIN)
        parts = [json.loads(self._usual()[1]) for _ in range(rng.randint(1, 3))]
        items = [
            {"property": "pm25", "result": rng.randrange(5), "time": self._time(), "unit": unit}
            for unit in rng.choices(("ug/m3", "mg/m3", "K", ""), k=rng.randint(1, 3))
        ]
        observations = {**self._number(device), "observations": items}
        senml = [{"bn": "", "bt": to_us(T0) / 1e6, "n": "pm25", "u": "ug/m3", "v": rng.randrange(5)}]
        return rng.choice(
            (
                (f"insitu/v1/t/{device}/obs", json.dumps(parts).encode()),
                (f"insitu/v1/t/{device}/obs", json.dumps(observations).encode()),
                (f"insitu/v1/t/{device}/senml", json.dumps(senml).encode()),
                (f"insitu/v1/t/{device}/telemetry", b'{"pm25": 3}'),
                (f"insitu/v1/t/{device}/influx", b"x pm25=3,fan=true"),
                (
                    "insitu/v1/t/mapped/obs",
                    json.dumps({"time": self._time(), "results": {"pm25": rng.randint(1, 3)}}).encode(),
                ),
                ("tele/x/SENSOR", self._usual()[1]),
            )
        )

    def _stranger(self) -> tuple[str, bytes]:
        """From a device or to a topic that nobody knows, retired, or not deployed."""
        payload = self._usual()[1]
        topics = (
            "t/nobody/obs",
            "nowhere/a/obs",
            "t/off/obs",
            "t/a/data",
            "t/a/Obs",
            "t/a",
            "t/a/obs/x",
            "t/a/receipt",
        )
        return self.rng.choice(
            [*(f"insitu/v1/{topic}" for topic in topics), "x/y", "insitu/v2/t/a/obs"]
        ), payload

    def _recorded(self) -> tuple[str, bytes]:
        path = self.rng.choice([path for path in PAYLOADS if path.suffix in (".json", ".pb", ".txt")])
        format, _, event = suffix_of(path).partition("/")
        topic = {
            "chirpstack": f"application/x/device/{_EUI}/event/{event}",
            "sparkplug": f"spBv1.0/g/{event}/edge" + "/d" * event.startswith("D"),
            "things_stack": "v3/app@ten/devices/x/up",
        }.get(format, f"insitu/v1/t/a/{format}")
        return topic, path.read_bytes()

    def _status(self) -> tuple[str, bytes]:
        document = {"state": "online", "battery": self.rng.randrange(100), "firmware": "1.2"}
        return f"insitu/v1/t/{self.rng.choice(PLAIN)}/status", json.dumps(document).encode()

    def _own(self) -> tuple[str, bytes]:
        """Of the service and its probe."""
        probe = {"boot": "prober", "seq": self.rng.randrange(99), "results": {"probe": 1}}
        return self.rng.choice(
            (
                ("insitu/v1/t/insitu-probe/obs", json.dumps(probe).encode()),
                ("insitu/v1/check/x/check", b"x"),
                ("insitu/v1/t/a/rejected", b"{}"),
            )
        )
