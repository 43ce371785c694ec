"""Runs in the process that draws, and imports nothing else of ours: it starts for each report."""

from __future__ import annotations

import os
from typing import Any


def start_renderer() -> None:
    """Draw times in UTC; Vega would take the machine's zone."""
    os.environ["TZ"] = "UTC"


def draw(spec: dict[str, Any], formats: dict[str, Any]) -> tuple[str, bytes]:
    """SVG and PNG of a Vega-Lite specification. `formats`: of numbers and dates (`charts.locale_of`)."""
    import vl_convert

    return vl_convert.vegalite_to_svg(spec, **formats), vl_convert.vegalite_to_png(spec, ppi=220, **formats)
