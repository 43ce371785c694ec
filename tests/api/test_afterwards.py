"""A verdict whose criteria came afterwards, on the pages and in the API: never green, never without its
sentence.
"""

from __future__ import annotations

import json
import re
import zipfile
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest

from store.database import connect
from tests.api.conftest import SignIn, form_token
from tests.api.world import World, protocol, text
from trials.evaluation import Evaluation
from trials.package.trust import keys_in
from trials.package.verify import verify
from trials.plan.protocol import Protocol
from trials.plan.reading import document_of
from trials.report.render import write_reports
from trials.workflow.checking import check_quality
from trials.workflow.evaluating import evaluate_trial
from trials.workflow.locking import lock_protocol

TRIAL = "/trials/ward-ventilation"
API = "/api/v1/trials/ward-ventilation"


def loosened(url: str, world: World) -> Evaluation:
    """Evaluates the trial, amends its criterion so that nearly anything meets it, and evaluates it again."""
    document = document_of(protocol(world.now)) | {"version": 2, "reason": text("It was too strict.")}
    document["endpoints"][0]["criteria"][0]["target"] = {"high": 10_000.0}
    with connect(url, application="tests") as conn:
        check_quality(conn, "ward-ventilation", now=world.now)
        evaluate_trial(conn, "ward-ventilation", now=world.now, login="judge", simulated=False)
        lock_protocol(conn, Protocol.model_validate(document), now=world.now, login="judge")
        check_quality(conn, "ward-ventilation", now=world.now)
        _, evaluation = evaluate_trial(
            conn, "ward-ventilation", now=world.now.replace(microsecond=1), login="judge", simulated=False
        )
        conn.commit()
    return evaluation


@pytest.mark.parametrize("path", [TRIAL, "/trials"])
def test_the_pages_show_it_beside_the_verdict_and_not_in_green(
    own_client: SignIn, own_world_url: str, world: World, path: str
) -> None:
    evaluation = loosened(own_world_url, world)
    assert (str(evaluation.verdict), evaluation.after_the_fact) == ("met", True)
    (sentence,) = evaluation.afterwards or []
    page = own_client("judge").get(path).text
    shown = page.split('class="evaluation newest"')[1].split("</li>")[0] if path == TRIAL else page
    assert "met, criteria set after the fact" in shown
    assert sentence.text.en in shown
    assert "state-met" not in shown
    assert not re.search(r">\s*met\s*<", shown)


def test_the_api_has_a_field_for_it_and_the_sentence_in_both_languages(
    own_client: SignIn, own_world_url: str, world: World
) -> None:
    evaluation = loosened(own_world_url, world)
    texts = [one.text.model_dump() for one in evaluation.afterwards or []]
    client = own_client("judge")
    newest, before = client.get(f"{API}/evaluations").json()["items"][:2]
    assert (newest["verdict"], newest["after_the_fact"], newest["afterwards"]) == ("met", True, texts)
    assert before["after_the_fact"] is False
    head = client.get(API).json()
    assert (head["verdict"], head["after_the_fact"], head["afterwards"]) == ("met", True, texts)
    document = client.get(f"{API}/evaluations/{newest['evaluation_id']}").json()
    assert [one["text"] for one in document["afterwards"]] == texts
    assert document["endpoints"][0]["after_the_fact"] is True


def test_the_package_says_it_in_its_readme_and_the_published_keys_vouch_for_it(
    own_client: SignIn, own_world_url: str, world: World, tmp_path: Path
) -> None:
    (sentence,) = loosened(own_world_url, world).afterwards or []
    client = own_client("judge")
    number = client.get(f"{API}/evaluations").json()["items"][0]["evaluation_id"]
    content = client.get(f"{TRIAL}/evaluations/{number}/package.zip", timeout=120).content
    with zipfile.ZipFile(BytesIO(content)) as archive:
        readme = archive.read("ward-ventilation/README.md").decode()
        archive.extractall(tmp_path)
    assert sentence.text.en in readme
    assert sentence.text.fr in readme
    listed = client.get("/.well-known/insitu-keys.json").content
    checks = verify(
        tmp_path / "ward-ventilation",
        keys_in("list", listed, name="lab"),
        render=lambda document, folder, language: write_reports(document, folder=folder, language=language),
    )
    assert [(check.name, check.lines, check.open) for check in checks if not check.ok or check.open] == []


def test_who_sees_no_measurements_is_not_told(own_client: SignIn, own_world_url: str, world: World) -> None:
    loosened(own_world_url, world)
    head = own_client("hospital").get(API).json()
    assert (head["verdict"], head["after_the_fact"], head["afterwards"]) == (None, False, [])


def test_the_page_warns_before_a_protocol_is_locked_late(own_client: SignIn, world: World) -> None:
    client = own_client("judge")
    made = Protocol.model_validate(document_of(protocol(world.now)) | {"version": 2, "reason": text("Late.")})
    later = [
        period.model_copy(
            update={"start": period.start + timedelta(days=400), "end": period.end + timedelta(days=400)}
        )
        for period in made.periods
    ]
    for plan, is_late in ((made, True), (made.model_copy(update={"periods": later}), False)):
        fields = {
            "form": form_token(client, "/trials"),
            "action": "check",
            "text": json.dumps(document_of(plan)),
        }
        page = client.post(f"{TRIAL}/protocol", data=fields).text
        assert ("if it is locked now, every evaluation says so beside its verdict" in page) is is_late
