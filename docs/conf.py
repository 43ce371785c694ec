"""The documentation as a site, built by `make docs`: its name, looks and navigation."""

from __future__ import annotations

from pygments.lexers.data import JsonLexer
from sphinx.application import Sphinx

project = "Insitu"
copyright = "the contributors to Insitu"
extensions = ["myst_parser"]
exclude_patterns = ["conf.py"]
highlight_language = "text"
html_theme = "furo"
html_title = "Insitu"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
myst_heading_anchors = 6
"""Headings get the same anchors as on a forge, so one link works in both places."""
suppress_warnings = ["misc.highlighting_failure"]
"""An example may be a fragment: `"target": {…}` is not complete JSON."""

NAVIGATION = {
    "index": {
        "Tutorial": ["tutorial"],
        "How-to": [
            "operations",
            "moving",
            "agreement",
            "people",
            "alerts",
            "retention",
            "simulators",
            "library",
            "faults",
            "recipes/README",
        ],
        "Reference": [
            "glossary",
            "protocol",
            "profiles",
            "designs/README",
            "metrics",
            "formats",
            "rejects",
            "pages",
            "access",
            "report",
            "package",
        ],
        "Explanation": [
            "architecture",
            "reliability",
            "proof",
            "performance",
            "validation",
            "decisions/README",
        ],
    },
    "recipes/README": {
        "": ["check", "design", "metric", "payload-format", "page", "query"],
    },
    "designs/README": {
        "": [
            "0-gate",
            "1-reference-collocation",
            "2-replicates",
            "3-availability",
            "4-before-after",
            "5-adjusted-before-after",
            "6-interrupted-series",
            "7-control-sites",
            "8-synthetic-control",
            "9-equivalence",
            "10-limit-compliance",
            "11-crossover",
            "12-early-look",
        ],
    },
    "decisions/README": {
        "": [
            "0001-embedded-servers",
            "0002-dependencies",
            "0003-plain-observation-table",
            "0004-one-shard-advisory-lock",
            "0005-users-file-gate",
            "0006-leased-shards",
            "0007-evaluations-read-results",
            "0008-widths-of-intervals",
            "0009-looks-stop-for-harm-only",
            "0010-ready-means-a-device-can-deliver",
            "0011-one-supervised-loop",
            "0012-documentation-by-sphinx",
            "0013-dependence-from-true-lags",
            "0014-missing-data-decide",
            "0015-files-state-facts",
            "0016-others-vouch-for-time",
            "0017-client-ids-have-owners",
            "0018-lost-tails-return",
            "0019-width-or-coverage",
            "0020-parts-are-forks",
            "0021-no-rollups-and-a-columnstore",
            "0022-which-postgresql-wheel",
            "0023-seals-of-facts-and-days",
            "0024-packed-days",
            "0025-troubles-alerts-notices",
            "0026-plain-messages-as-columns",
            "0027-shapes-and-steps",
            "0028-one-draft-and-two-views",
            "0029-refusals-by-their-form",
            "0031-backups-by-the-servers-own-programs",
            "0032-doubt-estimated-tails-and-place-steps",
            "0033-maps-and-plans-are-drawn-here",
            "0034-walls-ask",
            "0035-a-catalogue-moves-with-its-numbers",
            "0036-an-lden-weighs-its-parts",
            "0037-characters-that-nobody-sees",
            "0038-clocks-are-asked",
            "0039-a-verdict-is-asked-who-was-there",
            "0040-the-week-and-what-lasts",
            "0042-refusals-at-once",
            "0044-beside-the-verdict",
            "0045-piles-of-one-value",
        ],
    },
}
"""Page → title of a part → pages below it, named from the folder of the page. Every page is named here once;
`tests/test_docs.py` compares.
"""


def add_navigation(app: Sphinx, name: str, source: list[str]) -> None:
    """Appends the pages below a page to its text; a list in the page itself would be printed by a forge."""
    for part, pages in NAVIGATION.get(name, {}).items():
        caption = f":caption: {part}\n" if part else ""
        source[0] += "\n```{toctree}\n:hidden:\n" + caption + "\n".join(["", *pages]) + "\n```\n"


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_navigation)
    app.add_lexer("json-endpoint", JsonLexer)
