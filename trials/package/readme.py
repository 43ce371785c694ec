"""The README of a package, in English and French."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from insitu.model import Verdict
from trials.evaluation import Evaluation
from trials.judge.cautions import beside_the_verdict

README: Final = files(__package__).joinpath("readme.md").read_text("utf-8")
"""A template: trial, result in both languages, sha256 and version of the evaluation."""
_WORDS: Final = {
    Verdict.MET: ("met", "atteint"),
    Verdict.NOT_MET: ("not met", "non atteint"),
    Verdict.INCONCLUSIVE: ("inconclusive", "non concluant"),
    Verdict.NOT_EVALUABLE: ("not evaluable", "non évaluable"),
}
_INTERIM: Final = ("none yet: this is an interim look", "aucun encore : c’est un regard d’étape")
_QUALIFIED: Final = ("{verdict}, criteria set after the fact", "{verdict}, critères fixés après coup")


def readme(evaluation: Evaluation, sha256: str) -> str:
    """The text. `sha256`: of the evaluation."""
    english, french = (_result(evaluation, language) for language in (0, 1))
    return README.format(
        trial=evaluation.trial,
        result=english,
        resultat=french,
        sha256=sha256,
        version=evaluation.code["insitu"],
    )


def _result(evaluation: Evaluation, language: int) -> str:
    """The verdict, and the sentences that belong beside it."""
    word = (_INTERIM if evaluation.interim else _WORDS[evaluation.verdict])[language]
    if evaluation.after_the_fact and not evaluation.interim:
        word = _QUALIFIED[language].format(verdict=word)
    sentences = [(text.en, text.fr)[language] for text in beside_the_verdict(evaluation)]
    return " ".join([f"**{word}**.", *sentences])
