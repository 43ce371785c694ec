"""Mappings that are tried over the API: what they would make of the refused messages of one's own trial."""

from __future__ import annotations

from typing import Any

import pytest

from store.database import connect
from tests.api.conftest import SignIn

PATH = "/api/v1/trials/platform-air/mappings/try"
BY_TEXT = {"trial": "platform-air", "field": "pm25", "property": "pm25", "missing": ["=cmd|' /C calc'!A0"]}


@pytest.mark.parametrize(
    ("login", "status"),
    [("lab", 200), ("aurore", 200), ("boreal", 404), ("metro", 404), ("judge", 404), ("", 401)],
)
def test_only_the_lab_and_the_trials_company_may_try(client: SignIn, login: str, status: int) -> None:
    assert client(login).post(PATH, json={"mappings": [BY_TEXT]}).status_code == status


def test_a_try_says_what_each_field_would_become_and_changes_nothing(
    own_client: SignIn, own_world_url: str
) -> None:
    def counts() -> Any:
        with connect(own_world_url, application="tests") as conn:
            return conn.execute(
                "SELECT (SELECT count(*) FROM mapping), (SELECT count(*) FROM observation), "
                "(SELECT count(*) FROM reject)"
            ).fetchone()

    before = counts()
    answer = own_client("aurore").post(PATH, json={"mappings": [BY_TEXT]}).json()
    outcomes = {(one["field"], one["outcome"], one["reason"]) for one in answer["fields"]}
    assert ("pm25", "refused", "wrong_type") in outcomes, "its text has spaces, so it was masked"
    assert ("", "refused", "unparsable") in outcomes
    assert counts() == before


def test_a_mapping_of_another_trial_is_refused(client: SignIn) -> None:
    other = {**BY_TEXT, "trial": "ward-ventilation"}
    assert client("aurore").post(PATH, json={"mappings": [other]}).status_code == 400
