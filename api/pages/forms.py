"""Forms whose fields depend on what they are about."""

from __future__ import annotations

from fastapi import Request
from starlette.datastructures import FormData


async def read_form(request: Request) -> FormData:
    """The fields of a form. Its body is read already, so this waits for nobody."""
    return await request.form(max_files=0, max_fields=2000)
