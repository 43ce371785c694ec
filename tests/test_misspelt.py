"""A variable that looks like a setting and is none is named, with the setting that is meant."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insitu.settings import Settings, misspelt
from tests.forked import run_verb

NAMES = sorted(f"INSITU_{name.upper()}" for name in Settings.model_fields)
LETTERS = st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ_")


@st.composite
def slips(draw: st.DrawFn) -> tuple[str, str]:
    """(a setting, its name with one letter too many, too few, wrong, or exchanged with the next)."""
    name = draw(st.sampled_from(NAMES))
    at = draw(st.integers(len("INSITU_"), len(name) - 2))
    letter = draw(LETTERS)
    slipped = draw(
        st.sampled_from(
            [
                name[:at] + letter + name[at:],
                name[:at] + name[at + 1 :],
                name[:at] + letter + name[at + 1 :],
                name[:at] + name[at + 1] + name[at] + name[at + 2 :],
            ]
        )
    )
    return name, slipped


@given(slips())
def test_one_wrong_letter_is_named(slip: tuple[str, str]) -> None:
    _, slipped = slip
    found = misspelt({slipped: "1"})
    if slipped in NAMES or slipped.removesuffix("_FILE") in NAMES:
        assert found == []
    else:
        (sentence,) = found
        assert sentence.startswith(f"{slipped} is no setting of Insitu and changes nothing; is INSITU_")


@pytest.mark.parametrize(
    ("given_name", "meant"),
    [
        ("INSITU_BACKUPS_DIR", "INSITU_BACKUP_DIR"),
        ("INSITU_HTTP_PORT", "INSITU_HTTP_LISTEN"),
        ("INSITU_SMTP_URI", "INSITU_SMTP_URL"),
        ("INSITU_TIMEZONE", "INSITU_TIME_ZONE"),
        ("INSITU_DATABASE_URL_FIL", "INSITU_DATABASE_URL_FILE"),
    ],
)
def test_the_setting_that_is_meant_is_named(given_name: str, meant: str) -> None:
    assert misspelt({given_name: "1"}) == [
        f"{given_name} is no setting of Insitu and changes nothing; is {meant} meant?"
    ]


def test_settings_variables_of_others_and_those_of_programs_are_not_named() -> None:
    own = dict.fromkeys(NAMES, "1") | {f"{name}_FILE": "/x" for name in NAMES}
    assert misspelt(own) == []
    assert misspelt({"PATH": "/bin", "INSITU_URL": "http://x", "INSITU_TOKEN": "x", "INSIDE_HTTP": "1"}) == []
    assert misspelt({"insitu_http_listen": "127.0.0.1:0"}) == [], "the case of a setting does not matter"


def test_check_and_a_program_that_goes_on_running_say_so(database_url: str) -> None:
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith("INSITU_")},
        "INSITU_DATABASE_URL": database_url,
        "INSITU_BACKUPS_DIR": "/backups",
    }
    answers = json.loads(run_verb("check", "--json", env=environment).stdout)
    (settings,) = [one for one in answers if one["question"] == "settings"]
    assert settings["state"] == "look"
    assert "is INSITU_BACKUP_DIR meant?" in settings["detail"]
    refused = run_verb("serve", env=environment | {"INSITU_HTTP_LISTEN": "0.0.0.0:0"})
    assert "INSITU_BACKUPS_DIR is no setting of Insitu and changes nothing" in refused.stderr
    assert refused.returncode != 0
