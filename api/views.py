"""Which pages a person may keep under a name: an address becomes the path and query of one of our lists,
devices or charts, or is refused.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from api.acts import ACTS
from insitu.errors import CorrectInput, NotFound
from store.access import Viewer, visible_trial
from store.database import Connection

KEEPABLE: Final = (
    "/fleet",
    "/map",
    "/wall",
    "/trials",
    "/rejects",
    "/alerts",
    "/sites",
    "/sites/{site}",
    "/sites/{site}/plans/{plan}",
    "/register",
    "/people",
    "/audit",
    "/trials/{trial}",
    "/trials/{trial}/charts",
    "/trials/{trial}/windows",
    "/trials/{trial}/protocol",
    "/trials/{trial}/mappings",
    "/trials/{trial}/imports",
    "/trials/{trial}/devices/{device}",
    "/trials/{trial}/devices/{device}/sensors",
)
"""Pages that show something, and that a link may open."""
_MOST_FIELDS: Final = 40
_PART: Final = "[a-z0-9][a-z0-9_-]{0,63}"
_PATTERNS: Final = tuple(
    (path, re.compile(re.sub(r"\{(\w+)\}", rf"(?P<\1>{_PART})", path))) for path in KEEPABLE
)
NOT_OURS: Final = (
    "This is no page that can be kept: open a list, a device or a chart, and keep it from its menu Views."
)


def is_keepable(address: str) -> bool:
    """`address`: path and query of a page of ours."""
    return _find(urlsplit(address).path) is not None


def keepable_address(conn: Connection, viewer: Viewer, text: str, own_host: str) -> str:
    """Path and query of the page at `text`, which may also be a whole address at `own_host`.

    Raises CorrectInput for everything but such a page, and NotFound for one that this person may not see.
    """
    plain = text.strip()
    if not plain.isprintable() or "\\" in plain or any(letter.isspace() for letter in plain):
        raise CorrectInput(NOT_OURS)
    try:
        parts = urlsplit(plain)
        fields = parse_qsl(parts.query, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise CorrectInput(NOT_OURS) from error
    is_own = (parts.scheme in ("http", "https") and parts.netloc == own_host) or plain.startswith("/")
    found = _find(parts.path) if is_own and (parts.scheme or not parts.netloc) else None
    if found is None or not all(unquote(value).isprintable() for field in fields for value in field):
        raise CorrectInput(NOT_OURS)
    path, names = found
    if not viewer.may(ACTS[f"GET {path}"]):
        raise NotFound("There is no such page, or you may not see it.")
    if "trial" in names:
        visible_trial(conn, viewer, names["trial"])
    return parts.path + (f"?{urlencode(fields)}" if fields else "")


def fields_of(address: str) -> dict[str, str]:
    """The fields of the query of a kept address; the last of each name."""
    return dict(parse_qsl(urlsplit(address).query))


def _find(path: str) -> tuple[str, dict[str, str]] | None:
    """(the route, its parts) of a path."""
    for route, pattern in _PATTERNS:
        if match := pattern.fullmatch(path):
            return route, match.groupdict()
    return None
