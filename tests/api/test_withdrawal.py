"""An import can be withdrawn in the browser and over the API by those who may, and evaluations say so."""

from __future__ import annotations

from datetime import timedelta

import pytest

from insitu.model import Observation
from insitu.times import to_us
from store.database import connect
from store.imports import Origin, add_parts, begin_import
from store.observations import merge
from tests.api.conftest import SignIn, form_token
from tests.api.test_blinding import API, TRIAL
from tests.api.world import World

CODE = TRIAL.rpartition("/")[2]


@pytest.fixture
def imported(own_world_url: str, world: World) -> int:
    """An import into the trial, before its evaluation; its number."""
    with connect(own_world_url, application="tests") as conn:
        stream, at = conn.execute(
            "SELECT m.datastream_id, min(e.evaluated_at) FROM datastream m JOIN device USING (device_id) "
            "JOIN trial t USING (trial_id) JOIN evaluation e USING (trial_id) WHERE t.code = %s "
            "GROUP BY 1 ORDER BY 1 LIMIT 1",
            (CODE,),
        ).fetchone()
        then = at - timedelta(days=1, seconds=7)  # no device sends at that second
        number = begin_import(conn, Origin("card <1>.csv", "boreal", CODE), now=then)
        merge(conn, [Observation(stream, to_us(then), 1.0, to_us(then), 4)], number)
        add_parts(conn, number, [stream], [then])
        conn.commit()
    return number


def test_the_company_and_the_lab_see_imports_and_withdraw_them_once(
    own_client: SignIn, imported: int
) -> None:
    door, api = f"{TRIAL}/imports/{imported}/withdraw", f"{API}/imports/{imported}/withdrawal"
    for login, status in (("", 401), ("judge", 404), ("aurore", 404), ("hospital", 404)):
        assert own_client(login).post(api, json={"reason": "x"}).status_code == status, login
    assert own_client("hospital").get(f"{API}/imports").status_code == 404
    assert door not in own_client("judge").get(TRIAL).text
    page = own_client("boreal").get(TRIAL).text
    assert f'action="{door}"' in page
    assert "card &lt;1&gt;.csv" in page
    form = {"form": form_token(own_client("boreal"), TRIAL), "reason": "wrong zone"}
    assert own_client("boreal").post(door, data={**form, "form": "forged"}).status_code == 400
    assert own_client("boreal").post(door, data={**form, "reason": " "}).status_code == 400
    assert own_client("boreal").post(door, data=form).status_code == 303
    page = own_client("boreal").get(TRIAL).text
    assert f'action="{door}"' not in page
    assert "wrong zone" in page
    (item,) = own_client("judge").get(f"{API}/imports").json()["items"]
    assert (item["withdrawn_for"], item["withdrawn_by"], item["results"]) == ("wrong zone", "boreal", 1)
    answer = own_client("lab").post(api, json={"reason": "again"})
    assert answer.status_code == 201
    assert answer.json() == {"import_id": imported, "is_new": False, "taken_out": 1, "put_back": 0}


def test_an_evaluation_made_before_says_that_its_data_were_withdrawn_since(
    own_client: SignIn, imported: int
) -> None:
    heads = own_client("judge").get(f"{API}/evaluations").json()["items"]
    assert all(head["withdrawn_imports"] == [] for head in heads)
    own_client("lab").post(f"{API}/imports/{imported}/withdrawal", json={"reason": "wrong zone"})
    heads = own_client("judge").get(f"{API}/evaluations").json()["items"]
    assert heads[-1]["withdrawn_imports"] == [imported]
    for path in (TRIAL, "/trials"):
        assert f"(import {imported})" in own_client("judge").get(path).text
