"""Addresses of other servers: a half-written one is refused before anything starts, without its password."""

from __future__ import annotations

from pathlib import Path

import pytest

from insitu.errors import CorrectInput
from insitu.settings import load

WHOLE = "postgresql://insitu_service:hunter2@database:5432/insitu"
BROKER = "mqtts://ingest:hunter2@broker:8883"


@pytest.mark.parametrize("name", ["database_url", "owner_database_url"])
def test_a_database_that_is_cut_anywhere_before_its_name_is_refused(name: str) -> None:
    for end in range(len(WHOLE) - len("insitu") + 1):
        with pytest.raises(CorrectInput) as said:
            load(**{name: WHOLE[:end]})
        assert f"INSITU_{name.upper()}: " in str(said.value)
        assert "hunter" not in str(said.value)
    assert load(**{name: WHOLE}).model_dump()[name].get_secret_value() == WHOLE


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u@h/d",
        "postgresql:///insitu",
        "postgresql://u@/insitu?host=%2Frun%2Fsocket",
        "postgresql://u:p[#?w@h:5432/d",
        "postgresql://h?dbname=insitu",
        "host=/run/socket dbname=insitu",
    ],
)
def test_every_form_that_names_its_database_is_taken(url: str) -> None:
    load(database_url=url)


@pytest.mark.parametrize(
    "url", ["", "mqtt", "mqtt://", "mqtt://u:hunter2@", "http://h", "mqtt://h:x", "mqtt://h:0"]
)
@pytest.mark.parametrize("name", ["mqtt_url", "mqtt_devices"])
def test_a_broker_that_names_no_host_is_refused(name: str, url: str) -> None:
    with pytest.raises(
        CorrectInput, match=f"INSITU_{name.upper()}: .*mqtt://user:password@host:port"
    ) as said:
        load(**{name: url})
    assert "hunter" not in str(said.value)
    load(**{name: BROKER})


def test_a_file_of_a_setting_that_is_no_text_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "url"
    path.write_bytes(b"\xff\xfe")
    monkeypatch.setenv("INSITU_DATABASE_URL_FILE", str(path))
    with pytest.raises(CorrectInput, match="is no text in UTF-8"):
        load()
