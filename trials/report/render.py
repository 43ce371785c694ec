"""Blocks → HTML (Jinja2) and PDF (typst). A process of its own draws the charts."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

import jinja2
import typst
from markupsafe import Markup

from insitu.language import LANGUAGES, Reader
from trials.plan.reading import canonical
from trials.report.blocks import Figure, ReportModel
from trials.report.build import build
from trials.report.charts import locale_of
from trials.report.drawing import draw, start_renderer
from trials.report.words import WORDS
from trials.report.writer import LOCALE

_HERE = Path(__file__).parent


class Charts:
    """The process that draws. It is separate because it takes 100 MB and holds the interpreter lock. Reuse it
    for several reports.
    """

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(
            1, mp_context=multiprocessing.get_context("spawn"), initializer=start_renderer
        )

    def __enter__(self) -> Charts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def draw(self, model: ReportModel) -> list[tuple[str, bytes]]:
        """(SVG, PNG) of each figure, in order."""
        figures = [block for block in model.blocks if isinstance(block, Figure)]
        formats = locale_of(model.language)
        return list(self._pool.map(draw, [f.spec for f in figures], [formats] * len(figures)))


def write_reports(
    document: dict[str, Any], *, folder: Path, language: str, charts: Charts | None = None
) -> list[Path]:
    """report.{html,pdf,json} in `language`, and report.<other>.{html,pdf} in the other one."""
    if charts is None:
        with Charts() as own:
            return write_reports(document, folder=folder, language=language, charts=own)
    folder.mkdir(parents=True, exist_ok=True)
    document = json.loads(canonical(document))  # as it is stored: a whole float is an integer there
    source = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    written = [folder / "report.json"]
    written[0].write_text(source, encoding="utf-8")
    for one in LANGUAGES:
        stem = "report" if one == language else f"report.{one}"
        other = f"report.{next(x for x in LANGUAGES if x != language)}" if one == language else "report"
        model = build(document, one)
        page = _Page(model, charts.draw(model), document, other=f"{other}.html")
        written += [folder / f"{stem}.html", folder / f"{stem}.pdf"]
        written[-2].write_text(page.html, encoding="utf-8")
        written[-1].write_bytes(page.pdf(source))
    return written


class _Page:
    def __init__(
        self, model: ReportModel, images: Sequence[tuple[str, bytes]], document: dict[str, Any], *, other: str
    ) -> None:
        self.model = model
        self.images = images
        self.other = other
        self.when = datetime.fromisoformat(document["evaluated_at"])

    @cached_property
    def _translate(self) -> Any:
        return Reader(self.model.language).translator(LOCALE)

    @property
    def html(self) -> str:
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        template = environment.get_template("report.html.j2")
        return template.render(
            model=self.model,
            # Drawn by our own renderer from our own specification.
            images=[Markup(svg) for svg, _ in self.images],  # noqa: S704
            other=self.other,
            words=WORDS,
            _=self._translate,
        )

    def pdf(self, source: str) -> bytes:
        """PDF/A-3a and PDF/UA-1 with the JSON inside. Made in a folder of its own, so that no path gets into
        it.
        """
        with TemporaryDirectory() as name:
            folder = Path(name)
            content = self._content()
            for number, (_, png) in enumerate(self.images):
                (folder / f"figure{number}.png").write_bytes(png)
            (folder / "evaluation.json").write_text(source, encoding="utf-8")
            (folder / "content.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
            (folder / "report.typ").write_text((_HERE / "report.typ").read_text("utf-8"), encoding="utf-8")
            made: bytes = typst.compile(
                str(folder / "report.typ"),
                root=name,
                format="pdf",
                ignore_system_fonts=True,
                pdf_standards=["a-3a", "ua-1"],
                timestamp=int(self.when.timestamp()),
            )
            return made

    def _content(self) -> dict[str, Any]:
        number = 0
        blocks: list[dict[str, Any]] = []
        for block in self.model.blocks:
            if isinstance(block, Figure):
                blocks.append(
                    {
                        "kind": "figure",
                        "file": f"figure{number}.png",
                        "alt": block.alt,
                        "caption": block.caption,
                    }
                )
                number += 1
            else:
                blocks.append({name: getattr(block, name) for name in block.__dataclass_fields__})
        m = self.model
        return {
            "language": m.language,
            "title": m.title,
            "subtitle": m.subtitle,
            "number": m.number,
            "notices": m.notices,
            "watermark": m.watermark,
            "blocks": blocks,
            "page": self._translate(WORDS["page"]),
            "year": self.when.year,
            "month": self.when.month,
            "day": self.when.day,
        }
