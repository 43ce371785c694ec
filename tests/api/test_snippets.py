"""The snippets do what they say: each prints what the service answered, also when that is no."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.snippets import EXAMPLES, PublicAddress, Sent, client_id_of, sent_of, snippets
from insitu.units import require_unit
from store.access import credentials_of_device, seed_of
from store.catalogue.devices import find_device
from store.read.streams import list_streams
from tests.api.conftest import server
from tests.stack import Stack

ARDUINO = Path(__file__).parents[1] / "data" / "arduino"
COMMANDS = {"Python": [sys.executable], "mosquitto_pub": ["sh"], "curl": ["sh"]}
PROGRAMS = {"Python": sys.executable, "mosquitto_pub": "mosquitto_rr", "curl": "curl"}


@dataclass(frozen=True)
class Company:
    """Makes the snippets of the device `t/a`, and runs them."""

    stack: Stack
    address: str
    folder: Path

    def texts(self, **changes: object) -> dict[str, str]:
        found = find_device(self.stack.conn, "t", "a").device_id
        username, token = self.stack.tokens["t/a"]
        facts: dict[str, object] = {
            "trial": "t",
            "device": "a",
            "username": username,
            "token": token,
            "client_id": client_id_of("t", "a", seed_of(credentials_of_device(self.stack.conn, found))),
            "fields": sent_of(list_streams(self.stack.conn, [found]))[:1],
            "http": self.address,
            "public": PublicAddress(self.stack.broker.host, self.stack.broker.port),
        }
        self.stack.conn.rollback()
        return snippets(**{**facts, **changes})  # type: ignore[arg-type]

    def run(self, title: str, **changes: object) -> subprocess.CompletedProcess[str]:
        if shutil.which(PROGRAMS[title]) is None:
            assert not os.environ.get("CI"), f"CI installs {PROGRAMS[title]}"
            pytest.skip(f"{PROGRAMS[title]} is not installed")
        path = self.folder / "snippet"
        path.write_text(self.texts(**changes)[title], "utf-8")
        return subprocess.run(
            [*COMMANDS[title], str(path)], cwd=self.folder, capture_output=True, text=True, timeout=60
        )


@pytest.fixture
def company(stack: Stack, data_dir: Path, tmp_path: Path) -> Iterator[Company]:
    with server(stack.database_url, data_dir) as address:
        yield Company(stack, address, tmp_path)


def free_address() -> tuple[str, int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return "127.0.0.1", int(taken.getsockname()[1])


@pytest.mark.parametrize("title", list(COMMANDS))
def test_a_snippet_says_that_its_message_arrived(company: Company, title: str) -> None:
    done = company.run(title)
    assert (done.returncode, done.stderr) == (0, "")
    said = {"Python": "has the message", "mosquitto_pub": "refused nothing", "curl": '"stored":1'}
    assert said[title] in done.stdout.replace(" ", " ").replace('": ', '":')
    company.stack.wait_for(1)
    assert company.stack.reasons() == []


@pytest.mark.parametrize("title", list(COMMANDS))
def test_a_wrong_token_is_a_sentence_and_an_exit_code(company: Company, title: str) -> None:
    done = company.run(title, token="wrong")
    assert done.returncode not in (0, 27)
    assert "token" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("title", list(COMMANDS))
def test_a_refusal_is_printed(company: Company, title: str) -> None:
    done = company.run(title, fields=[Sent("nosuch")])
    assert "unknown_property" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("title", list(COMMANDS))
def test_an_outage_is_a_sentence_and_an_exit_code(company: Company, title: str) -> None:
    host, port = free_address()
    done = company.run(title, public=PublicAddress(host, port), http=f"http://{host}:{port}")
    assert done.returncode not in (0, 27)
    assert done.stderr
    assert "Traceback" not in done.stderr


# -- Arduino

Sketch = Callable[..., list[str]]


def texts_of(**changes: object) -> dict[str, str]:
    facts: dict[str, object] = {
        "trial": "t",
        "device": "a",
        "username": "t.a",
        "token": "secret",
        "client_id": "t-a-1",
        "fields": [Sent("pm25", "ug/m3", every_s=60)],
        "public": PublicAddress("broker.example.org", 1883),
    }
    return snippets(**{**facts, **changes})  # type: ignore[arg-type]


@pytest.fixture
def sketch(tmp_path: Path) -> Sketch:
    """Compiles the snippet and runs it for some hours of its own clock; returns the lines that it printed."""
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        pytest.skip("there is no C++ compiler (Debian: apt install g++)")

    def run(*, hours: int = 1, changes: dict[str, object] | None = None, **environment: str) -> list[str]:
        (tmp_path / "sketch.ino").write_text(texts_of(**(changes or {}))["Arduino"], "utf-8")
        build = [compiler, "-std=c++17", "-O1", "-Wall", f"-I{ARDUINO}", f"-I{tmp_path}", "-o", "sketch"]
        subprocess.run([*build, str(ARDUINO / "main.cpp")], cwd=tmp_path, check=True, timeout=120)
        done = subprocess.run(
            [str(tmp_path / "sketch")],
            env={"HOURS": str(hours), **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout.splitlines()

    return run


def test_the_sketch_publishes_as_often_as_planned_and_hears_its_refusals(sketch: Sketch) -> None:
    lines = sketch(hours=1, REFUSED="1")
    published = [line for line in lines if line.startswith("PUBLISH")]
    assert 59 <= len(published) <= 61
    assert published[0] == 'PUBLISH insitu/v1/t/a/obs qos 1 {"results": {"pm25": 12.3}}'
    assert lines.count("CONNECT") == 1
    assert "SUBSCRIBE insitu/v1/t/a/rejected" in lines
    assert 'Insitu refused it: {"reason": "wrong_type"}' in lines


def test_the_sketch_does_not_flood_when_millis_begins_again(sketch: Sketch) -> None:
    lines = sketch(hours=1, START_MS=str(2**32 - 1_800_000))
    assert 59 <= sum(line.startswith("PUBLISH") for line in lines) <= 61


@pytest.mark.parametrize(("trouble", "said"), [("WRONG_TOKEN", "code 5"), ("OUTAGE", "has not acknowledged")])
def test_in_trouble_the_sketch_tries_every_10_s_and_says_why(sketch: Sketch, trouble: str, said: str) -> None:
    lines = sketch(hours=1, **{trouble: "1"})
    assert 350 <= lines.count("CONNECT") <= 361
    assert any(said in line for line in lines)


def test_the_sketch_with_an_authority_compiles(sketch: Sketch) -> None:
    public = PublicAddress("broker.example.org", 8883, tls=True, ca_pem="-----BEGIN CERTIFICATE-----\nx\n")
    assert sketch(changes={"public": public})


# -- what they send


def test_a_boolean_is_true_and_a_number_fits_its_unit() -> None:
    fields = [Sent("occupied", "1", is_boolean=True), Sent("temperature", "Cel"), Sent("pressure", "hPa")]
    texts = texts_of(fields=fields, http="http://127.0.0.1:1")
    assert json.dumps({"occupied": True, "temperature": 21.4, "pressure": 1013.2}) in texts["curl"]
    assert "'occupied': True" in texts["Python"]
    for unit in EXAMPLES:
        require_unit(unit)


def test_the_client_id_stays_with_the_device_and_cannot_be_guessed() -> None:
    first = client_id_of("t", "a", b"seed")
    assert first == client_id_of("t", "a", b"seed")
    assert first != client_id_of("t", "a", b"another")
    assert first.startswith("t-a-")
    assert not set(first) & set(". +#/")


@pytest.mark.parametrize("every_s", [None, 1.0, 86_400.0, 31 * 86_400.0])
def test_no_interval_is_too_long_for_the_clock_of_an_arduino(every_s: float | None) -> None:
    text = texts_of(fields=[Sent("pm25", every_s=every_s)])["Arduino"]
    (line,) = [one for one in text.splitlines() if "EVERY_MS =" in one]
    assert 0 < int(line.split("= ")[1].split("UL")[0]) < 2**31
