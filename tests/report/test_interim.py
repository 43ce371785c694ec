"""A report of an early look cannot be mistaken for a verdict: every page says so, in both languages."""

from __future__ import annotations

from pathlib import Path

import pytest
from pypdf import PdfReader

from insitu.language import Language, catalogue
from insitu.model import Verdict
from tests.trials.test_early_look import looked
from trials.evaluation import document_of
from trials.report.blocks import Banner, Paragraph, ReportModel
from trials.report.build import build
from trials.report.render import write_reports
from trials.report.words import WORDS
from trials.report.writer import LOCALE

ENGLISH = WORDS["interim"]
NOTICE: dict[Language, str] = {"en": ENGLISH, "fr": catalogue(LOCALE, "fr")[ENGLISH]}
LANGUAGES: list[Language] = ["en", "fr"]


def banner(model: ReportModel) -> Banner:
    (found,) = [block for block in model.blocks if isinstance(block, Banner)]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("look")
    write_reports(document_of(looked("control_sites", 17.5)), folder=made, language="en")
    return made


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_of_the_pdf_says_that_it_is_an_interim_look(folder: Path, language: Language) -> None:
    pages = PdfReader(folder / ("report.pdf" if language == "en" else "report.fr.pdf")).pages
    assert len(pages) > 1
    for page in pages:
        words = " ".join(page.extract_text().split())
        assert words.count(" ".join(NOTICE[language].split())) >= 2, "in the head of the page, and behind it"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_html_shows_the_notice_wherever_one_reads_and_on_every_printed_page(
    folder: Path, language: Language
) -> None:
    text = (folder / ("report.html" if language == "en" else "report.fr.html")).read_text("utf-8")
    assert f'<div class="watermark" aria-hidden="true"><span>{NOTICE[language]}</span></div>' in text
    assert f'<aside class="notices">\n<p class="notice">{NOTICE[language]}</p>\n</aside>' in text
    assert ".notices { position: sticky;" in text
    assert "@media print { .notices { position: fixed;" in text


def test_a_report_at_the_end_has_no_watermark(tmp_path: Path) -> None:
    model = build(document_of(looked("control_sites", 30)), "en")
    assert (model.watermark, model.notices) == ("", [])
    assert (
        banner(model).word == "Inconclusive"
        if looked("control_sites", 30).verdict is Verdict.INCONCLUSIVE
        else "Not met"
    )


@pytest.mark.parametrize(
    ("day", "shift", "verdict", "word", "told"),
    [
        (17.5, 0.0, "inconclusive", "Interim look: not a verdict.", "the trial goes on as planned"),
        (17.5, 30.0, "not_met", "Interim look: stop for harm", "whoever is responsible decides"),
        (9.5, 30.0, "not_evaluable", "Interim look: not a verdict.", "too little was seen"),
    ],
)
def test_the_banner_of_a_look_leads_to_no_decision_but_to_stop(
    day: float, shift: float, verdict: str, word: str, told: str
) -> None:
    model = build(document_of(looked("control_sites", day, shift)), "en")
    found = banner(model)
    assert (found.verdict, found.word) == (verdict, word)
    assert told in found.text
    assert "What this leads to" not in found.text
    sentences = " ".join(block.text for block in model.blocks if isinstance(block, Paragraph))
    assert "Verdict:" not in sentences
    assert "Early look:" in sentences
