"""A file is imported on a page and over the API: what is understood, what is asked, what is stored, what
stays behind.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.uploads import MOST_BYTES, Uploads, safe_name
from ingest.files.containers import require_small
from insitu.errors import CorrectInput, RetryLater
from store.audit import audit
from store.database import Connection, connect
from tests.api.conftest import SignIn, form_token, server
from tests.api.test_tokens import bearer, give
from tests.api.world import World
from tests.cli.calling import call
from tests.fix_database import clone

PAGE, API = "/trials/platform-air/imports", "/api/v1/trials/platform-air/imports"
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def conn(own_world_url: str) -> Iterator[Connection]:
    with connect(own_world_url, application="tests") as found:
        yield found


@pytest.fixture
def api(own_world_url: str, data_dir: Path) -> Iterator[httpx.Client]:
    token = give(own_world_url, "aurore", acts=True)
    with (
        server(own_world_url, data_dir) as address,
        httpx.Client(base_url=address, headers=bearer(token), timeout=60) as client,
    ):
        yield client


def card(now: datetime, *, rows: int = 20, header: str = "time;pm25;temperature") -> bytes:
    """A logger's file in local time without an offset, a result a minute, at odd seconds that nothing else
    has.
    """
    lines = [header]
    for n in range(rows):
        when = now - timedelta(days=2, minutes=n, seconds=7)
        lines.append(f"{when:%Y-%m-%d %H:%M:%S};{10 + n / 10};{20 - n / 10}")
    return "\n".join(lines).encode()


def send(
    client: httpx.Client, content: bytes | None, name: str = "card.csv", **fields: str
) -> httpx.Response:
    form = {"form": form_token(client, "/trials"), "device": "p1-north", **fields}
    files = {} if content is None else {"file": (name, content)}
    return client.post(PAGE, data=form, files=files or None)


def token_of(page: str) -> str:
    return page.split('name="token" value="')[1].split('"')[0]


def kept(data_dir: Path) -> list[Path]:
    return [path for path in (data_dir / "cache" / "uploads").rglob("*") if path.is_file()]


def count(conn: Connection) -> int:
    with conn.transaction():
        return int(conn.execute("SELECT count(*) FROM observation").fetchall()[0][0])


def test_the_import_asks_then_shows_then_stores_and_leaves_no_file(
    own_client: SignIn, conn: Connection, world: World, data_dir: Path
) -> None:
    client, before = own_client("aurore"), count(conn)
    asked = send(client, card(world.now))
    assert asked.status_code == 400
    assert "Clock of the file" in asked.text.split('id="problem"')[1][:1500]
    assert "--zone" not in asked.text
    assert str(data_dir) not in asked.text
    token = token_of(asked.text)
    shown = send(client, None, token=token, zone="UTC")
    assert shown.status_code == 200, shown.text
    assert "This is what an import would do" in shown.text
    assert "Import 40 results" in shown.text
    assert "<code>pm25</code> 10.0" in shown.text
    assert count(conn) == before
    assert len(kept(data_dir)) == 1
    done = send(client, None, token=token, zone="UTC", action="import")
    assert "40 results are stored." in done.text
    assert count(conn) == before + 40
    assert kept(data_dir) == []
    lost = send(client, None, token=token, zone="UTC", action="import")
    assert "choose it again" in lost.text
    again = send(client, card(world.now), zone="UTC", action="import")
    assert "0 results are stored." in again.text
    assert count(conn) == before + 40
    with conn.transaction():
        acted = [line for line in audit(conn) if line.action == "import"]
    assert [line.login for line in acted] == ["person:aurore"] * 2


def test_the_api_the_page_and_the_verb_store_the_same_rows(
    database_server: str,
    filled: tuple[str, World],
    data_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content, found = card(filled[1].now), []
    for way in ("verb", "api"):
        with clone(database_server, filled[0]) as url:
            if way == "verb":
                monkeypatch.setenv("INSITU_DATABASE_URL", url)
                monkeypatch.setenv("INSITU_DATA_DIR", str(tmp_path))
                (tmp_path / "card.csv").write_bytes(content)
                options = ("--trial", "platform-air", "--device", "p1-north", "--zone", "Europe/Paris")
                call("import", str(tmp_path / "card.csv"), *options)
            else:
                with server(url, data_dir) as address:
                    answer = httpx.post(
                        address + API,
                        files={"file": ("card.csv", content)},
                        data={"description": json.dumps({"device": "p1-north", "zone": "Europe/Paris"})},
                        headers=bearer(give(url, "aurore", acts=True)),
                    )
                assert answer.status_code == 201, answer.text
                assert answer.json()["stored"] == 40
            with connect(url, application="tests") as conn:
                found.append(
                    (
                        conn.execute(
                            "SELECT datastream_id, phenomenon_time, result FROM observation ORDER BY 1, 2"
                        ).fetchall(),
                        conn.execute("SELECT file, file_sha256, understood FROM import").fetchall(),
                        conn.execute(
                            "SELECT trial, device, sum(stored) FROM ledger GROUP BY 1, 2 ORDER BY 1, 2"
                        ).fetchall(),
                    )
                )
    assert found[0] == found[1]
    assert len(found[0][1]) == 1


def test_a_dry_run_over_the_api_stores_nothing(api: httpx.Client, conn: Connection, world: World) -> None:
    before = count(conn)
    data = {"description": '{"device": "p1-north", "zone": "UTC"}', "dry_run": "true"}
    found = api.post(API, files={"file": ("card.csv", card(world.now))}, data=data).json()
    assert (found["stored"], found["import_id"], found["rows"]) == (40, None, 20)
    assert [one["results"]["pm25"] for one in found["first_rows"]] == [10.0, 10.1, 10.2, 10.3, 10.4]
    assert count(conn) == before


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ("{", "no JSON"),
        ("[" * 5000, "no JSON"),
        ("[]", "JSON object"),
        ('{"zone": 7}', "zone"),
        ('{"trial": "ward-ventilation", "sheet": "x"}', "no workbook"),
        ('{"unknown": 1}', "unknown"),
        ('{"device": "p1-north", "skip_lines": 99999999999999999999}', "skip_lines"),
        ('{"device": "p1-north", "skip_after": 10001}', "skip_after"),
        ('{"device": "p1-north"}', "Say `zone`"),
        ('{"device": "p1-north", "zone": "Mars/Base"}', "Mars"),
    ],
)
def test_a_description_that_is_wrong_is_refused_in_words(
    api: httpx.Client, world: World, data_dir: Path, description: str, said: str
) -> None:
    answer = api.post(API, files={"file": ("card.csv", card(world.now))}, data={"description": description})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert said in answer.text
    assert str(data_dir) not in answer.text
    assert kept(data_dir) == []


def bomb(size: int, *, lies: bool = False) -> bytes:
    """A workbook whose sheet unpacks to `size` bytes, and may say that it is small."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * size)
    content = packed.getvalue()
    if lies:
        content = content.replace(size.to_bytes(4, "little"), (100).to_bytes(4, "little"))
    return content


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"", "empty.csv", "not empty"),
        (bomb(80 << 20), "bomb.xlsx", "unpacks to more than 64 MB"),
        (bomb(80 << 20, lies=True), "bomb.xlsx", "unpacks to more than 64 MB"),
        (zlib.compress(b"0" * (80 << 20), wbits=31), "bomb.csv.gz", "unpacks to more than 64 MB"),
        (b"PK\x03\x04" + b"x" * 100, "torn.xlsx", "damaged"),
        (b"PAR1" + b"x" * 100, "x.parquet", "Parquet"),
        (b"%PDF-1.7", "x.csv", "is a PDF"),
        (b"\x00\x01\x02" * 50, "x.csv", "zero bytes"),
        (b"<table><tr><td>1</td></tr></table>", "x.xls", "page of HTML"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_words_and_not_kept(
    own_client: SignIn, data_dir: Path, content: bytes, name: str, said: str
) -> None:
    answer = send(own_client("aurore"), content, name)
    assert answer.status_code == 400, answer.text
    assert said in answer.text
    assert str(data_dir) not in answer.text
    for path in kept(data_dir):
        assert path.stat().st_size < 1000
        path.unlink()


def test_a_file_beyond_the_limit_is_not_read(own_client: SignIn, data_dir: Path) -> None:
    client = own_client("aurore")
    assert send(client, b"0" * (MOST_BYTES + 1000)).status_code == 400
    assert send(client, b"0" * (MOST_BYTES + 1_000_000)).status_code == 413
    assert kept(data_dir) == []


def test_hostile_names_and_cells_are_texts(own_client: SignIn, world: World, data_dir: Path) -> None:
    client = own_client("aurore")
    header = f"time;pm25;{HOSTILE};=HYPERLINK(1)"
    content = card(world.now, header=header).replace(b"\n", b"\n", 1)
    wide = b"\n".join(line + b";=1+1" if n else line for n, line in enumerate(content.split(b"\n")))
    for name in ("../../etc/passwd", HOSTILE, "=cmd|' /C calc'!A0.csv", "a\x00b.csv", "\u202e.csv", ""):
        answer = send(client, wide, name or "x", zone="UTC", columns=HOSTILE + "=temperature", missing="=1+1")
        assert HOSTILE not in answer.text, name
        assert "onerror=alert(1)&gt;" in answer.text or "img" not in answer.text
    for path in kept(data_dir):
        assert path.parent.parent == data_dir / "cache" / "uploads"
        path.unlink()


def test_nobody_uses_the_file_of_another(own_client: SignIn, world: World, data_dir: Path) -> None:
    token = token_of(send(own_client("aurore"), card(world.now)).text)
    lab = own_client("lab")
    assert "choose it again" in send(lab, None, token=token, zone="UTC", action="import").text
    for wrong in ("x", "../" + token, token[:-1], token + "/.."):
        assert "choose it again" in send(own_client("aurore"), None, token=wrong, zone="UTC").text
    assert len(kept(data_dir)) == 1
    kept(data_dir)[0].unlink()


def test_others_import_nothing(own_client: SignIn, world: World, data_dir: Path) -> None:
    files = {"file": ("card.csv", card(world.now))}
    for login in ("boreal", "metro", "metro-buyer", "auditor", "outsider", "other-judge"):
        client = own_client(login)
        assert client.get(PAGE).status_code == 404, login
        assert send(client, card(world.now)).status_code == 404, login
        assert client.post(API, files=files).status_code == 404, login
    assert kept(data_dir) == []
    assert own_client("judge").get(PAGE).status_code == 200


def test_files_make_room_and_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = Uploads(tmp_path)
    tokens = [uploads.put("1-1", f"{n}.csv", b"x") for n in range(6)]
    assert len(list(tmp_path.rglob("*.csv"))) == 4
    other = uploads.put("2-1", "o.csv", b"x")
    assert uploads.find("1-1", tokens[-1]).read_bytes() == b"x"
    with pytest.raises(CorrectInput):
        uploads.find("2-1", tokens[-1])
    import os

    for place in tmp_path.iterdir():
        os.utime(place, (0, 0))
    with pytest.raises(CorrectInput):
        uploads.find("2-1", other)
    uploads.sweep()
    assert list(tmp_path.iterdir()) == []
    names: list[Any] = [safe_name(name) for name in ("../../x", "a/b\\c.csv", "..", "", "é ü.csv", "x" * 300)]
    assert names == ["x", "c.csv", "file", "file", "é ü.csv", "x" * 80]
    assert uploads.find("1-1", uploads.put("1-1", "𠀀" * 80 + ".csv", b"x")).suffix == ".csv"


def test_a_file_that_is_being_imported_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a fifth file of its person nor an hour takes it away; then it goes like every other."""
    uploads = Uploads(tmp_path)
    tokens = [uploads.put("1-1", f"{n}.csv", b"%d" % n) for n in range(4)]
    with uploads.reading("1-1", tokens[0]) as first:
        for n in range(4, 9):
            uploads.put("1-1", f"{n}.csv", b"x")
        assert first.read_bytes() == b"0"
        assert len(list(tmp_path.iterdir())) == 4
        with monkeypatch.context() as later:
            later.setattr("api.uploads._KEPT_S", -1.0)
            uploads.sweep()
        assert [first.parent] == list(tmp_path.iterdir())
        others = [uploads.put("1-1", f"{n}.csv", b"x") for n in range(3)]
        with ExitStack() as all_read:
            for token in others:
                all_read.enter_context(uploads.reading("1-1", token))
            with pytest.raises(RetryLater, match="being imported"):
                uploads.put("1-1", "one too many.csv", b"x")
    uploads.put("1-1", "last.csv", b"x")
    assert not first.exists()
    uploads.drop("1-1", others[0])
    with pytest.raises(CorrectInput, match="choose it again"), uploads.reading("1-1", others[0]):
        pass


def test_lines_above_the_header_end_with_the_file(api: httpx.Client, world: World) -> None:
    data = {"description": '{"device": "p1-north", "zone": "UTC", "skip_lines": 9999}', "dry_run": "true"}
    answer = api.post(API, files={"file": ("card.csv", card(world.now))}, data=data, timeout=10)
    assert answer.status_code == 400


def test_a_small_packed_file_passes(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(bomb(1000))
    require_small(path, 1100)
    with pytest.raises(CorrectInput):
        require_small(path, 900)
