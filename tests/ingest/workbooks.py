"""Small workbooks, written by hand as XLSX and ODS: no library of the project writes them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape

_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?><Types '
    'xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/xl/workbook.xml" ContentType="application/'
    "vnd.openxmlformats-officedocument.spreadsheetml."
    'sheet.main+xml"/></Types>'
)
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}"><fonts count="1"><font/></fonts><fills count="1"><fill/></fills>'
    '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>'
)

Cell = str | float | tuple[str, float] | None
"""Text, a formula (`=1+1`) without a result, a number, ("date", serial number), ("error", code) or nothing.
"""


def write_xlsx(sheets: dict[str, Sequence[Sequence[Cell]]], *, is_1904: bool = False) -> bytes:
    buffer = io.BytesIO()
    names = list(sheets)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", _TYPES)
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="rId1" Type="{_OFFICE}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        listed = "".join(
            f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(names, 1)
        )
        date_system = '<workbookPr date1904="1"/>' if is_1904 else ""
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
            f"{date_system}<sheets>{listed}</sheets></workbook>",
        )
        related = "".join(
            f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n in range(1, len(names) + 1)
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{_RELATIONS}">{related}<Relationship Id="rId99" Type="{_OFFICE}/styles" '
            'Target="styles.xml"/></Relationships>',
        )
        archive.writestr("xl/styles.xml", _STYLES)
        for number, rows in enumerate(sheets.values(), 1):
            archive.writestr(f"xl/worksheets/sheet{number}.xml", _sheet(rows))
    return buffer.getvalue()


def _sheet(rows: Sequence[Sequence[Cell]]) -> str:
    written = []
    for number, row in enumerate(rows, 1):
        cells = "".join(_cell(cell, f"{chr(65 + at)}{number}") for at, cell in enumerate(row))
        written.append(f'<row r="{number}">{cells}</row>')
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(written)}</sheetData></worksheet>'


def _cell(cell: Cell, place: str) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str) and cell.startswith("="):
        return f'<c r="{place}"><f>{escape(cell[1:])}</f><v></v></c>'
    if isinstance(cell, tuple):
        kind, given = cell
        return (
            f'<c r="{place}" s="1"><v>{given}</v></c>'
            if kind == "date"
            else f'<c r="{place}" t="e"><v>{kind}</v></c>'
        )
    if isinstance(cell, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
    return f'<c r="{place}"><v>{cell!r}</v></c>'


_ODS = {
    "office": "urn:oasis:names:tc:opendocument:xmlns:office:1.0",
    "table": "urn:oasis:names:tc:opendocument:xmlns:table:1.0",
    "text": "urn:oasis:names:tc:opendocument:xmlns:text:1.0",
}


def write_ods(name: str, rows: Sequence[Sequence[str | float]]) -> bytes:
    """Texts that begin with `date:` or `percentage:` become such cells."""
    spaces = " ".join(f'xmlns:{short}="{long}"' for short, long in _ODS.items())
    lines = []
    for row in rows:
        cells = []
        for cell in row:
            if isinstance(cell, str) and cell.startswith("date:"):
                cells.append(f'<table:table-cell office:value-type="date" office:date-value="{cell[5:]}"/>')
            elif isinstance(cell, str) and cell.startswith("percentage:"):
                cells.append(f'<table:table-cell office:value-type="percentage" office:value="{cell[11:]}"/>')
            elif isinstance(cell, str):
                cells.append(
                    f'<table:table-cell office:value-type="string"><text:p>'
                    f"{escape(cell)}</text:p></table:table-cell>"
                )
            else:
                cells.append(f'<table:table-cell office:value-type="float" office:value="{cell}"/>')
        lines.append(f"<table:table-row>{''.join(cells)}</table:table-row>")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr(
            "content.xml",
            f"<office:document-content {spaces}><office:body><office:spreadsheet>"
            f'<table:table table:name="{escape(name)}">{"".join(lines)}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        )
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
            '<manifest:file-entry manifest:full-path="/" manifest:media-type="application/'
            "vnd.oasis.opendocument."
            'spreadsheet"/></manifest:manifest>',
        )
    return buffer.getvalue()
