"""A form or a body with a character that nobody sees is refused, whatever its field: no name looks like
another, and none reads backwards.
"""

from __future__ import annotations

import json
from typing import Any, Final

from fastapi import Request
from fastapi.routing import APIRoute

from insitu.errors import CorrectInput
from insitu.letters import find_unseen, texts_of

AS_IT_IS: Final = frozenset({"form", "password", "old", "new", "code", "secret", "token"})
"""Fields that nobody reads."""
OF_DEVICES: Final = ("/mappings", "/mappings/try", "/imports")
"""Ends of routes whose texts are what devices and files call their fields, which may be anything."""
_AROUND: Final = 20
"""Characters on each side of the one that is named."""
KEPT_AS_TYPED: Final = ("/protocol",)
"""Ends of routes whose form comes back with what was typed. Nothing with such a character can be locked."""


async def require_seen(request: Request) -> None:
    """Raises CorrectInput that shows where the character is. Looks only at bodies that were read already."""
    route = request.scope.get("route")
    if (
        not isinstance(route, APIRoute)
        or route.body_field is None
        or route.path.endswith(OF_DEVICES + KEPT_AS_TYPED)
    ):
        return
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        form = await request.form()
        require_seen_texts({name: form.getlist(name) for name in form})
    elif kind.endswith("json") and (body := await request.body()):
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            return  # the route itself refuses it
        require_seen_texts(document)


def require_seen_texts(document: Any) -> None:
    """Raises CorrectInput that shows where in a document, as JSON has them, such a character is."""
    for _, text in texts_of(document, AS_IT_IS):
        unseen = find_unseen(text, lines=True)
        if unseen is not None:
            marked = _marked(text, unseen)
            raise CorrectInput(
                f"A character that nobody sees, {unseen}, is in {marked!r}: write it again instead of "
                "copying it."
            )


def _marked(text: str, unseen: str) -> str:
    """The part of the text around the character, which is written out."""
    place = text.index(chr(int(unseen[2:], 16)))
    around = [text[max(0, place - _AROUND) : place], text[place + 1 : place + 1 + _AROUND]]
    before, after = ("".join(one if one.isprintable() else "·" for one in part) for part in around)
    return f"{before}[{unseen}]{after}"
