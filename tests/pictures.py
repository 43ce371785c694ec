"""Pictures for tests, made byte by byte: sound ones, and hostile ones."""

from __future__ import annotations

import base64
import struct
import zlib

WIDTH, HEIGHT = 120, 60
SVG = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">'
    '<rect x="5" y="5" width="110" height="50" fill="none" stroke="black" stroke-width="4"/></svg>'
).encode()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    width: int = WIDTH, height: int = HEIGHT, *, extra: bytes = b"", pixels: bytes | None = None
) -> bytes:
    """A grey PNG. `pixels`: packed already, for a picture that claims other sizes than it has."""
    packed = zlib.compress((b"\0" + b"\x80" * width) * height) if pixels is None else pixels
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + extra + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAgAAAQABAAD/wAARCAAIAAgDAREAAhEBAxEB/9sAQwBQNzxGPDJQRkFGWlVQX3jIgnhubnj1r7mRyP//"
    "/////////////////////////////////////////////////9sAQwFVWlp4aXjrgoLr////////////////////////////"
    "/////////////////////////////////////////////8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAA"
    "AgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6"
    "Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXG"
    "x8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREA"
    "AgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5"
    "OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPE"
    "xcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwBKAP/Z"
)
"""8 × 8 pixels."""


def in_svg(content: str, *, before: str = "", attributes: str = "") -> bytes:
    return (
        f'{before}<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" {attributes}>{content}</svg>'
    ).encode()


LAUGHS = "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
NESTED = "".join(f'<g id="g{n}">' + f'<use href="#g{n - 1}"/>' * 10 + "</g>" for n in range(1, 9))
REFUSED = {
    "nothing": b"",
    "text": b"hello",
    "a page": b"<!doctype html><script>alert(1)</script>",
    "packed svg": b"\x1f\x8b" + b"<svg",
    "pdf": b"%PDF-1.7",
    "gif": b"GIF89a\x01\x00\x01\x00\x00\xff\x00,",
    "cut png": png()[:40],
    "png of 900 million pixels": png(30_000, 30_000, pixels=b"x"),
    "png without pixels": png(0, 5),
    "png with other pixels": png(6000, 6000, pixels=zlib.compress(b"\0" * 10)),
    "cut jpeg": JPEG[:30],
    "jpeg without a size": b"\xff\xd8\xff\xe0\x00\x04ab\xff\xd9",
    "broken svg": b"<svg><g></svg>",
    "address": in_svg('<image xlink:href="http://127.0.0.1:9/x.png" width="9" height="9"/>'),
    "file": in_svg('<image href="file:///etc/hostname" width="9" height="9"/>'),
    "neighbouring file": in_svg('<image href="main.typ" width="9" height="9"/>'),
    "entity of a file": in_svg("&x;", before='<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
    "laughs": in_svg("<text>&j;</text>", before=f'<!DOCTYPE svg [<!ENTITY a "ha">{LAUGHS}]>'),
    "nested uses": in_svg(f'<defs><g id="g0"><path d="M0 0H1V1Z"/></g>{NESTED}</defs><use href="#g8"/>'),
    "a line": b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1000"><path d="M0 0H1V9Z"/></svg>',
    "too large": b"<svg" + b" " * (8 * 1024**2),
}
"""Files that are no plan."""
DISARMED = {
    "script": in_svg("<script>alert(1)</script>", attributes='onload="alert(1)"'),
    "page inside": in_svg(
        '<foreignObject width="9" height="9"><body xmlns="http://www.w3.org/1999/xhtml">'
        "<script>alert(1)</script></body></foreignObject>"
    ),
    "style": in_svg('<style>@import url("http://127.0.0.1:9/x.css"); rect { fill: red }</style><rect/>'),
    "link": in_svg('<a href="javascript:alert(1)"><rect width="9" height="9"/></a>'),
    "words in a png": png(extra=chunk(b"tEXt", b"Comment\0<script>alert(1)</script>")),
    "tail of a png": png() + b"<script>alert(1)</script>",
}
"""Files that are a plan and something else."""
