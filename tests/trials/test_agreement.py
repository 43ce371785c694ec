"""The open points of an agreement, and files that are no agreement."""

from __future__ import annotations

from pathlib import Path

import pytest

from insitu.errors import CorrectInput
from trials.plan.agreement import (
    PROVISIONS,
    Agreement,
    OpenPoint,
    OpenPointCode,
    list_open_points,
    read_agreement,
)

PARTIES = ("host", "company", "judge")
WHOLE = """
signed_on = 2026-02-01
trade_secrets = "none"
""" + "".join(
    f'[[use]]\nparty = "{party}"\ndata = "results"\npurpose = "the trial"\nuntil = 2028-12-31\n'
    for party in PARTIES
)
SHEET = '[[security]]\nmodel = "Box"\n[security.answers]\n' + "".join(
    f'{name} = "met"\n' for name in PROVISIONS
)


def open_points(text: str, *models: str) -> list[OpenPoint]:
    return list_open_points(read_agreement(text.encode(), "a.toml"), parties=PARTIES, models=models)


def test_without_an_agreement_everything_is_open() -> None:
    assert list_open_points(None, parties=PARTIES, models=["Box"]) == [OpenPoint(OpenPointCode.NO_AGREEMENT)]


def test_a_whole_agreement_leaves_nothing_open() -> None:
    assert open_points(WHOLE + SHEET, "Box") == []


def test_a_date_alone_leaves_each_party_the_secrets_and_each_model_open() -> None:
    assert open_points("signed_on = 2026-02-01", "Box", "Box", "") == [
        *(OpenPoint(OpenPointCode.NO_USE, party) for party in PARTIES),
        OpenPoint(OpenPointCode.SECRETS_NOT_STATED),
        OpenPoint(OpenPointCode.NO_SHEET, ""),
        OpenPoint(OpenPointCode.NO_SHEET, "Box"),
    ]


def test_a_use_without_an_end_is_open() -> None:
    text = WHOLE.replace("until = 2028-12-31\n", "", 1)
    assert open_points(text) == [OpenPoint(OpenPointCode.USE_WITHOUT_END, "host")]


@pytest.mark.parametrize("name", PROVISIONS)
def test_each_heading_without_an_answer_is_open(name: str) -> None:
    assert open_points(WHOLE + SHEET.replace(f'{name} = "met"\n', ""), "Box") == [
        OpenPoint(OpenPointCode.NOT_ANSWERED, "Box", name)
    ]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("partly: by cable", [OpenPoint(OpenPointCode.NOT_MET, "Box", "software_updates", "by cable")]),
        ("not_met:nobody does", [OpenPoint(OpenPointCode.NOT_MET, "Box", "software_updates", "nobody does")]),
        ("not_applicable: no software", []),
        ("met: monthly", []),
    ],
)
def test_an_answer_that_is_not_met_is_open_with_its_reason(answer: str, expected: list[OpenPoint]) -> None:
    text = SHEET.replace('software_updates = "met"', f'software_updates = "{answer}"')
    assert open_points(WHOLE + text, "Box") == expected


def test_a_sheet_of_a_model_that_the_trial_lacks_opens_nothing() -> None:
    assert open_points(WHOLE + SHEET.replace('"Box"', '"Other"')) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "signed_on: Field required"),
        ("signed_on = 2026-02-01\nsecrets = 1", "secrets: Extra inputs"),
        (
            "signed_on = 2026-02-01\n[[security]]\nmodel = 'x'\n[security.answers]\nupdates = 'met'",
            "headings",
        ),
        (
            "signed_on = 2026-02-01\n[[security]]\nmodel = 'x'\n[security.answers]\ndeletion = 'yes'",
            "write met",
        ),
        (
            "signed_on = 2026-02-01\n[[security]]\nmodel = 'x'\n[security.answers]\ndeletion = 'partly'",
            "and why",
        ),
        ("signed_on = 2026-02-01\n[[security]]\nmodel = 'x'\n[[security]]\nmodel = 'x'", "one sheet"),
        ("signed_on = ", "Invalid value"),
    ],
)
def test_a_file_that_is_none_names_the_place(text: str, said: str) -> None:
    with pytest.raises(CorrectInput, match=said) as caught:
        read_agreement(text.encode(), "a.toml")
    assert "a.toml" in str(caught.value)


def test_the_example_of_the_documentation_is_an_agreement() -> None:
    page = Path(__file__).parents[2] / "docs" / "agreement.md"
    text = page.read_text("utf-8").split("```toml\n")[1].split("```")[0]
    found = read_agreement(text.encode(), "agreement.md")
    assert isinstance(found, Agreement)
    assert [use.party for use in found.use] == ["metro", "aurore"]
    for name, number in PROVISIONS.items():
        assert f"| `{name}` | {number} " in page.read_text("utf-8")
