"""Errors for people and programs: a friendly page, or problem+json (RFC 9457) with a stable code."""

from __future__ import annotations

import logging
import secrets
from functools import cache
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from api.access import AddFactor
from api.attempts import TooManyAttempts
from api.lanes import Busy, DrawnLater
from api.rendering import ENVIRONMENT, LOCALE, language_of, page_of, respond
from api.repeats import Repeated, say_again
from insitu.errors import (
    AlreadyExists,
    ChangedMeanwhile,
    CorrectInput,
    FreeSpace,
    InsituError,
    NotAcceptedHere,
    NotFound,
    ProtocolLocked,
    RetryLater,
    RowRefused,
)
from insitu.language import Language, Reader

_LOG: Final = logging.getLogger("insitu.api")
# The first match wins: subclasses come before their base classes.
_CODES: Final[tuple[tuple[type[InsituError], int, str], ...]] = (
    (NotFound, 404, "not_found"),
    (AddFactor, 403, "second_factor"),
    (NotAcceptedHere, 401, "sign_in"),
    (TooManyAttempts, 429, "too_many_attempts"),
    (AlreadyExists, 409, "already_exists"),
    (ProtocolLocked, 409, "protocol_locked"),
    (ChangedMeanwhile, 412, "changed_meanwhile"),
    (CorrectInput, 400, "correct_input"),
    (RowRefused, 422, "row_refused"),
    (FreeSpace, 507, "no_space"),
    (RetryLater, 503, "retry_later"),
)
_HTTP_CODES: Final = {
    400: "correct_input",
    403: "not_allowed",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    412: "changed_meanwhile",
    413: "too_large",
    422: "other_request",
}
_DETAILS: Final = {
    (400, "There was an error parsing the body"): "The body cannot be read: send JSON in UTF-8, with "
    "Content-Type: application/json.",
    (404, "Not Found"): "There is no such address. A device posts to "
    "/api/v1/trials/TRIAL/devices/DEVICE/observations, or to …/senml, …/influx, …/telemetry or …/status.",
}
"""Sentences for those of the web framework that do not say what to do."""
_TITLES: Final = {
    400: "Something in this request is not right",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "This is not possible here",
    408: "Too slow",
    409: "Already taken or locked",
    412: "Changed meanwhile",
    413: "Too large",
    422: "Something in this request is not right",
    429: "Too many attempts",
    500: "Something went wrong here",
    503: "Not available right now",
    507: "No space left",
}


class Problem(BaseModel):
    """The body of every error of the API."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:insitu:problem:not_found",
                "title": "Not found",
                "status": 404,
                "code": "not_found",
                "detail": "There is no trial 'platform-air', or you may not see it.",
            }
        }
    )

    type: str
    title: str
    status: int
    code: str
    """Stable: programs may rely on it."""
    detail: str
    errors: list[dict[str, str]] = []


def _documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    kind = "application/problem+json"
    return {
        status: {"model": Problem, "content": {kind: {}}, "description": _TITLES[status]}
        for status in statuses
    }


RESPONSES: Final = _documented(400, 401, 403, 404, 422, 503)
"""Errors of every route, for the description of the API."""
OF_BODIES: Final = _documented(408, 409, 412, 413, 507)
"""Further errors of a route that takes a body and may change something."""


def install(app: FastAPI) -> None:
    """Handlers are asynchronous, so that a refusal takes no thread."""

    async def insitu_error(request: Request, error: Exception) -> Response:
        return _insitu_error(request, error)

    async def invalid(request: Request, error: Exception) -> Response:
        return _invalid(request, error)

    async def http_error(request: Request, error: Exception) -> Response:
        return _http_error(request, error)

    async def repeated(request: Request, error: Exception) -> Response:
        assert isinstance(error, Repeated)
        return say_again(error)

    app.add_exception_handler(Repeated, repeated)
    app.add_exception_handler(InsituError, insitu_error)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http_error)


def status_of(error: InsituError) -> tuple[int, str]:
    return next(((status, code) for kind, status, code in _CODES if isinstance(error, kind)), (500, "error"))


def _insitu_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, InsituError)
    status, code = status_of(error)
    if isinstance(error, AddFactor) and not _for_programs(request):
        return RedirectResponse("/account/factor", status_code=303)
    if status == 401 and not _for_programs(request) and request.method in ("GET", "HEAD"):
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?next={quote(here)}", status_code=303)
    headers = {"Retry-After": "30" if isinstance(error, DrawnLater) else "2"} if status == 503 else {}
    if isinstance(error, Busy) and not isinstance(error, DrawnLater) and not _for_programs(request):
        page = _busy_page(language_of(request, None), again=request.method in ("GET", "HEAD"))
        return HTMLResponse(page, status_code=503, headers=headers)
    if status == 401 and _for_programs(request):
        headers["WWW-Authenticate"] = "Bearer"
    return answer(request, status, code, str(error), headers=headers)


@cache
def _busy_page(language: Language, *, again: bool) -> str:
    """The same for everybody, made once: refusing a crowd must not cost as much as serving it."""
    reader = Reader(language)
    translate = reader.translator(LOCALE)
    return ENVIRONMENT.get_template("busy.j2").render(
        language=language, t=translate, title=_TITLES[503], again=again
    )


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # input is not repeated: it may contain a password or foreign text
    skipped = 0 if _for_programs(request) else 1  # whether it is of the address or of a form, a reader knows
    errors = [
        {"field": ".".join(str(part) for part in e["loc"][skipped:]), "problem": str(e["msg"])}
        for e in error.errors()
    ]
    lines = "; ".join(f"{e['field']}: {e['problem']}" for e in errors)
    return answer(request, 422, "invalid_request", lines, errors=errors)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _HTTP_CODES.get(error.status_code, "error")
    detail = _DETAILS.get((error.status_code, str(error.detail)), str(error.detail))
    return answer(request, error.status_code, code, detail, headers=dict(error.headers or {}))


def refusal(request: Request, error: InsituError | HTTPException) -> Response:
    """The answer to a request that does not reach the application."""
    return _insitu_error(request, error) if isinstance(error, InsituError) else _http_error(request, error)


def unexpected(request: Request, error: Exception) -> Response:
    reference = secrets.token_hex(4)
    _LOG.error("unexpected error %s at %s %s", reference, request.method, request.url.path, exc_info=error)
    return answer(
        request, 500, "unexpected", f"This is a fault of Insitu. Its log holds more under {reference}."
    )


def _for_programs(request: Request) -> bool:
    return request.url.path.startswith(("/api/", "/live/", "/metrics", "/openapi", "/healthz", "/readyz"))


def answer(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    headers: dict[str, str] | None = None,
    errors: list[dict[str, str]] | None = None,
) -> Response:
    title = _TITLES.get(status, "Something went wrong here")
    if _for_programs(request):
        problem = Problem(
            type=f"urn:insitu:problem:{code}",
            title=title,
            status=status,
            code=code,
            detail=detail,
            errors=errors or [],
        )
        return JSONResponse(
            problem.model_dump(exclude_defaults=True),
            status_code=status,
            headers=headers,
            media_type="application/problem+json",
        )
    response = respond(
        request,
        "error.j2",
        page_of(request, getattr(request.state, "viewer", None)),
        status=status,
        title=title,
        detail=detail,
        code=status,
    )
    response.headers.update(headers or {})
    return response
