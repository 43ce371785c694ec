"""The accessibility statement: by the form of the RGAA, honest without an audit, linked from every page."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.accessibility import Accessibility, Audit, load_accessibility
from api.rendering import HERE
from insitu.errors import CorrectInput
from insitu.settings import Settings
from tests.api.conftest import NO_TLS, SignIn, server

NOW = datetime(2026, 11, 30, tzinfo=UTC)
AUDIT: dict[str, Any] = {
    "made_on": "2026-11-20",
    "auditor": "Auditor <b>",
    "met": 91.5,
    "pages": ["/", "/fleet"],
    "tools": ["A reader"],
    "not_conformant": [{"fr": "Un titre manque.", "en": "A heading is missing."}],
}
HEADINGS = (
    "État de conformité",
    "Résultats des tests",
    "Contenus non accessibles",
    "Non-conformités",
    "Dérogations pour charge disproportionnée",
    "Contenus non soumis à l’obligation d’accessibilité",
    "Établissement de cette déclaration d’accessibilité",
    "Retour d’information et contact",
    "Voies de recours",
)
"""Of the model statement, in its order."""


def get(address: str, language: str = "fr") -> str:
    with httpx.Client(base_url=address, verify=NO_TLS) as client:
        answer = client.get("/accessibility", headers={"accept-language": language})
        assert answer.status_code == 200
        return answer.text


def test_the_statement_has_the_parts_of_the_model_in_their_order(client: SignIn) -> None:
    text = client("").get("/accessibility", headers={"accept-language": "fr"}).text
    places = [text.index(f">{heading}<") for heading in HEADINGS]
    assert places == sorted(places)
    assert "Défenseur des droits, Libre réponse 71120, 75342 Paris CEDEX 07" in text


def test_without_an_audit_it_is_not_conformant_and_says_why(client: SignIn) -> None:
    text = client("").get("/accessibility", headers={"accept-language": "fr"}).text
    assert "non conforme avec le référentiel" in text
    assert "Seuls des tests automatiques ont été passés." in text
    assert "Aucun contact n’est encore renseigné" in text
    assert "Accessibilité\u00a0: non conforme" in text


def test_settings_and_an_audit_fill_it(world_url: str, data_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    path.write_text(json.dumps(AUDIT | {"made_on": datetime.now(UTC).date().isoformat()}), "utf-8")
    settings = {
        "accessibility_name": "Lab <i>",
        "accessibility_contact": "mailto:access@example.org",
        "accessibility_audit": path,
    }
    with server(world_url, data_dir, **settings) as address:  # type: ignore[arg-type]
        french, english = get(address), get(address, "en")
    assert "Lab &lt;i&gt; s’engage" in french
    assert "par Auditor &lt;b&gt;, révèle que 91,5\u00a0%" in french
    assert "found that 91.5 %" in english
    assert ("Un titre manque." in french, "A heading is missing." in english) == (True, True)
    assert 'href="mailto:access@example.org"' in french
    assert "Accessibilité\u00a0: partiellement conforme" in french
    assert "Aucun audit" not in french


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "partial"),
        ({"met": 49.9}, "none"),
        ({"met": 50}, "partial"),
        ({"met": 100}, "partial"),
        ({"met": 100, "not_conformant": []}, "total"),
        ({"made_on": "2023-11-20"}, "none"),
        ({"made_on": "2023-12-02"}, "partial"),
        ({"made_on": "2026-12-01"}, "none"),
    ],
)
def test_the_state_follows_from_the_audit_by_the_rules_of_the_rgaa(
    changes: dict[str, Any], state: str
) -> None:
    audit = Audit.model_validate_json(json.dumps(AUDIT | changes))
    assert Accessibility(None, None, audit).state(NOW) == state
    assert Accessibility(None, None, None).state(NOW) == "none"


def test_an_audit_is_in_force_for_three_years() -> None:
    audit = Audit.model_validate_json(json.dumps(AUDIT))
    made = datetime.combine(date(2026, 11, 20), datetime.min.time(), UTC)
    assert audit.is_in_force(made)
    assert audit.is_in_force(made + timedelta(days=1095))
    assert not audit.is_in_force(made + timedelta(days=1096))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "the file"),
        ("{}", "made_on: Field required"),
        (json.dumps(AUDIT | {"met": 101}), "met: "),
        (json.dumps(AUDIT | {"pages": []}), "pages: "),
        (json.dumps(AUDIT | {"more": 1}), "more: "),
        (json.dumps(AUDIT | {"not_conformant": [{"fr": "seul"}]}), "en: Field required"),
        ("x" * 300_000, "too large"),
    ],
)
def test_a_wrong_audit_stops_the_start_and_is_named(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "audit.json"
    path.write_text(content, "utf-8")
    with pytest.raises(CorrectInput, match="INSITU_ACCESSIBILITY_AUDIT") as refused:
        load_accessibility(Settings(accessibility_audit=path))
    assert complaint in str(refused.value)
    with pytest.raises(CorrectInput, match="cannot read"):
        load_accessibility(Settings(accessibility_audit=tmp_path / "none.json"))


def test_a_contact_that_is_a_script_is_refused() -> None:
    with pytest.raises(ValueError, match="is no contact"):
        Settings(accessibility_contact="javascript:alert(1)")


def test_every_page_leads_to_it() -> None:
    """A whole page either extends the layout, which has the link, or has it itself."""
    for path in (HERE / "templates").glob("*.j2"):
        text = path.read_text("utf-8")
        if "<!doctype html>" in text:
            assert 'href="/accessibility"' in text, path.name
