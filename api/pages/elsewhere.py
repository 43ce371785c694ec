"""Signing in elsewhere: the way to the provider, the way back, and the pages about a sign-in that failed."""

from __future__ import annotations

import hmac
from typing import Annotated, Final

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749.parameters import parse_authorization_code_response
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api import access
from api.access import Anyone, admit_elsewhere, digest
from api.attempts import Attempt, admit_arrival, forgive
from api.clients import address_of
from api.context import Context, Ctx
from api.cookies import cookie_of, drop_cookie, set_cookie
from api.known import browser_key
from api.oidc.fetching import ProviderAway
from api.oidc.people import NotOurs, find_person
from api.oidc.provider import Provider
from api.oidc.returning import LIFETIME, Journey, new_journey, open_journey, seal_journey
from api.oidc.tokens import NotVouchedFor
from api.pages.session import own_path
from api.pages.words import ELSEWHERE_ADVICE, ELSEWHERE_NEWS
from api.rendering import page_of, respond
from insitu.clock import SYSTEM
from insitu.errors import NotAcceptedHere, NotFound
from insitu.model import OrganisationKind
from store.linked import use_return
from store.people import list_organisations

open_router = APIRouter()
COOKIE: Final = "insitu-elsewhere"


class Stale(NotAcceptedHere):
    """The way back is too old, was used, or belongs to another browser."""


class Denied(NotAcceptedHere):
    """The provider did not sign the person in, or the person changed its mind."""


def _provider(context: Context) -> Provider:
    if context.provider is None:
        raise NotFound("No other sign-in is set up here (INSITU_OIDC_ISSUER).")
    return context.provider


def _back(request: Request) -> str:
    """The address that the provider must know as one of this client's."""
    return str(request.url_for("come_back"))


@open_router.get("/sign-in/oidc", dependencies=[Depends(admit_elsewhere, scope="function")])
def go_elsewhere(
    request: Request,
    context: Ctx,
    viewer: Anyone,
    next: Annotated[str, Query(max_length=2000)] = "/",
    again: bool = False,
) -> Response:
    """Send the browser to the provider. `again`: the provider must ask who it is, also if it knows."""
    provider = _provider(context)
    if viewer is not None:
        return RedirectResponse(own_path(next), status_code=303)
    journey = new_journey(own_path(next), SYSTEM.now())
    try:
        address = provider.begin(journey, _back(request), again=again)
    except ProviderAway as error:
        return _explain(request, context, "away", detail=str(error))
    with context.pool.connection() as conn:
        key = browser_key(conn)
    response = RedirectResponse(address, status_code=303)
    set_cookie(request, response, COOKIE, seal_journey(journey, key), LIFETIME)
    response.headers["Cache-Control"] = "no-store"
    return response


@open_router.get(
    "/sign-in/oidc/return",
    response_class=HTMLResponse,
    dependencies=[Depends(admit_elsewhere, scope="function")],
)
def come_back(request: Request, context: Ctx) -> Response:
    """The way back: begin a session, or say why not."""
    try:
        response = _enter(request, context, _provider(context))
    except ProviderAway as error:
        response = _explain(request, context, "away", detail=str(error))
    except NotOurs as error:
        response = _explain(request, context, error.reason, login=error.login)
    except Stale:
        response = _explain(request, context, "stale")
    except Denied as error:
        response = _explain(request, context, "denied", detail=str(error))
    except NotVouchedFor as error:
        response = _explain(request, context, "unproven", detail=str(error))
    drop_cookie(request, response, COOKIE)
    response.headers["Cache-Control"] = "no-store"
    return response


def _enter(request: Request, context: Context, provider: Provider) -> Response:
    """Holds no connection while the provider is asked."""
    journey, attempt = _journey(request, context)
    code = _code(request, provider, journey)
    identity = provider.finish(journey, code, _back(request), SYSTEM.now())
    now = context.clock.now()
    with context.pool.connection() as conn:
        account = find_person(conn, identity, context.settings, now)
        entered = access.begin_session(
            conn,
            account,
            access.browser_of(request),
            now,
            by=identity.issuer,
            id_token=identity.id_token,
        )
        forgive(conn, attempt)
    response = RedirectResponse(entered.leads_to(own_path(journey.next)), status_code=303)
    access.keep_entered(request, response, entered)
    return response


def _journey(request: Request, context: Context) -> tuple[Journey, Attempt]:
    """The way that this browser began, which ends here, and the attempt that is counted. Raises Stale, or
    TooManyAttempts.
    """
    with context.pool.connection() as conn:
        journey = open_journey(cookie_of(request, COOKIE), browser_key(conn), SYSTEM.now())
        state = request.query_params.get("state", "")
        if journey is None or not hmac.compare_digest(state.encode(), journey.state.encode()):
            raise Stale()
        attempt = admit_arrival(conn, address=address_of(request))
        if not use_return(conn, digest(journey.state)):
            raise Stale()
    return journey, attempt


def _code(request: Request, provider: Provider, journey: Journey) -> str:
    """The code that the provider sent. Raises Denied for an error, NotVouchedFor for another provider's."""
    given = request.query_params
    issuer = given.get("iss")
    if issuer != provider.issuer and (issuer is not None or provider.requires_issuer()):
        raise NotVouchedFor("Another provider answered.")
    if "error" in given:
        raise Denied(given["error"][:80])
    try:
        found = parse_authorization_code_response(str(request.url), journey.state)
    except OAuth2Error as error:
        raise Denied("no code") from error
    return str(found["code"])


def _explain(
    request: Request, context: Context, reason: str, *, login: str = "", detail: str = ""
) -> HTMLResponse:
    """A page that says why the sign-in failed, and whom to ask."""
    provider = _provider(context)
    with context.pool.connection() as conn:
        labs = [one.name for one in list_organisations(conn) if one.kind is OrganisationKind.LAB]
    return respond(
        request,
        "elsewhere.j2",
        page_of(request, None),
        status=503 if reason == "away" else 400 if reason == "stale" else 403,
        news=ELSEWHERE_NEWS[reason],
        advice=ELSEWHERE_ADVICE[reason],
        login=login,
        label=provider.label,
        lab=", ".join(labs),
        detail=detail,
        can_again=reason not in ("away", "stale"),
    )
