"""Cookies of this installation, bound to its host where the page comes over https."""

from __future__ import annotations

from datetime import timedelta

from fastapi import Request, Response


def _cookie_name(request: Request, name: str) -> str:
    """`__Host-` binds a cookie to this host and to https; over plain http (loopback only) browsers reject
    such a name.
    """
    return f"__Host-{name}" if request.url.scheme == "https" else name


def set_cookie(request: Request, response: Response, name: str, content: str, lifetime: timedelta) -> None:
    response.set_cookie(
        _cookie_name(request, name),
        content,
        max_age=int(lifetime.total_seconds()),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def cookie_of(request: Request, name: str) -> str | None:
    return request.cookies.get(_cookie_name(request, name))


def drop_cookie(request: Request, response: Response, name: str) -> None:
    response.delete_cookie(
        _cookie_name(request, name),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
