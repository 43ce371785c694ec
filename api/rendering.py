"""Templates, filled in the reader's language and the trial's time zone."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

from babel.dates import format_timedelta
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.routing import Match

from api.access import form_token, keep_visit
from api.accessibility import State
from api.compression import compress
from api.context import context_of, readiness_of
from api.refusals import is_known, say
from api.strip_drawing import draw_strip
from api.views import is_keepable
from insitu.language import LANGUAGES, LOCALES, Language, Reader, write_unit
from insitu.readiness import Readiness
from insitu.zones import find_zone
from store.access import SignedIn, Viewer
from store.catalogue.trials import Trial
from store.rights import Act, Reach

HERE: Final = Path(__file__).parent
LOCALE: Final = HERE / "locale"
STATIC: Final = HERE / "static"
LANGUAGE_COOKIE: Final = "insitu-language"
_TICKS: Final = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that templates may use: reader, language, time zone, and the time of the trial."""

    path: str
    viewer: Viewer | None
    reader: Reader
    now: datetime
    simulated: bool
    form: str
    """Token for forms."""
    trouble: Readiness | None = None
    """Reason why no messages arrive at the moment; only on pages of signed-in readers."""
    problem: str | None = None
    accessibility: State = "none"
    """By the accessibility statement."""

    @property
    def language(self) -> str:
        return self.reader.language

    @property
    def sees_measurements(self) -> bool:
        return self.viewer is not None and self.viewer.sees_measurements

    @property
    def views(self) -> list[list[str]]:
        """(name, address) of the pages that the reader keeps."""
        return self.viewer.views if isinstance(self.viewer, SignedIn) else []

    @property
    def is_keepable(self) -> bool:
        return is_keepable(self.path)

    def may(self, act: str, trial: Trial | None = None) -> bool:
        """`act` by its words in `store.rights`; without a trial: in any of those that the reader sees."""
        return self.viewer is not None and self.viewer.may(Act(act), trial)

    def may_everywhere(self, act: str) -> bool:
        return self.viewer is not None and self.viewer.reach(Act(act)) is Reach.ANY

    def t(self, text: str, **parts: Any) -> str:
        """`text` in the reader's language, with its `{parts}` filled in."""
        found = self.reader.translator(LOCALE)(text)
        return found.format(**parts) if parts else found

    def n(self, one: str, many: str, count: int, **parts: Any) -> str:
        """`one` or `many`, by the rules of the reader's language, with `{n}` and `{parts}` filled in."""
        found = self.reader.pluraliser(LOCALE)(one, many, count)
        return found.format(n=self.number(count, 0), **parts)

    def said(self, refusal: str) -> str:
        """A refusal in the reader's language, as far as its form is known."""
        return say(refusal, self.reader.language)

    def told(self, refusal: str) -> Markup:
        """The same as HTML; what stays English is marked as such."""
        text = escape(self.said(refusal))
        known = is_known(refusal, self.reader.language)
        return text if known else Markup('<span lang="en">{}</span>').format(text)

    @property
    def colon(self) -> str:
        """The colon with its spacing: French has a no-break space before it."""
        return "\u00a0: " if self.language == "fr" else ": "

    def moment(self, when: datetime | None, style: str = "short") -> str:
        return self.reader.moment(when, style)

    def number(self, number: float | None, digits: int = 1) -> str:
        return self.reader.number(number, digits)

    def percent(self, share: float | None) -> str:
        space = "\u00a0" if self.language == "fr" else " "
        return "–" if share is None else f"{self.number(round(100 * share), 0)}{space}%"

    def pick(self, texts: dict[str, str] | str | None) -> str:
        return self.reader.pick(texts) if texts else ""

    def ago(self, when: datetime | None) -> str:
        """'3 minutes ago', in the reader's language; an en dash for None."""
        if when is None:
            return "–"
        length = when - self.now
        return _ago(86_400 * length.days + length.seconds, self.reader.language)

    def span(self, length: timedelta) -> str:
        text: str = format_timedelta(length, threshold=1.5, locale=LOCALES[self.reader.language])
        return text

    def interval(self, seconds: float) -> str:
        """Time between two results, exact if it is a whole number of seconds: 15 min, 90 s."""
        whole = float(round(seconds)) if seconds >= 1 else seconds
        size, word = next(
            ((size, word) for size, word in ((3600, "h"), (60, "min")) if whole % size == 0), (1, "s")
        )
        return f"{self.number(whole / size, 0 if whole >= 1 else 3)} {word}"

    def span_of(self, months: int, seconds: float) -> str:
        """Time between two results: calendar months, or `interval` if there are none."""
        if not months:
            return self.interval(seconds)
        length = timedelta(days=30 * months)
        text: str = format_timedelta(
            length, granularity="month", threshold=100, locale=LOCALES[self.reader.language]
        )
        return text

    def zone_problem(self, time_zone: str) -> str:
        """A sentence about a stored time zone that is none; empty for a good one."""
        if find_zone(time_zone) is not None:
            return ""
        return self.t("{zone} is not a time zone: times are shown in UTC.", zone=time_zone)

    def in_zone(self, time_zone: str) -> Page:
        return replace(self, reader=replace(self.reader, time_zone=time_zone))


def language_of(request: Request, viewer: Viewer | None) -> Language:
    """The viewer's language, else the cookie's, else the first known one of the browser, else the
    installation's.
    """
    wanted = [viewer.language if viewer else request.cookies.get(LANGUAGE_COOKIE, "")]
    wanted += [
        part.strip()[:2].lower() for part in request.headers.get("accept-language", "").split(",")[:10]
    ]
    wanted.append(context_of(request).settings.language)
    return next((known for text in wanted for known in LANGUAGES if known == text), "en")


def _address_of(request: Request) -> str:
    """Path and query of the page. An answer to a form may be at an address that cannot be opened: then the
    nearest one above it.
    """
    if request.method in ("GET", "HEAD"):
        return request.url.path + (f"?{request.url.query}" if request.url.query else "")
    path = request.url.path
    while path and not _opens(request, path):
        path = path.rpartition("/")[0]
    return path or "/"


def _opens(request: Request, path: str) -> bool:
    scope = {**request.scope, "method": "GET", "path": path}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)


def page_of(request: Request, viewer: Viewer | None, time_zone: str | None = None) -> Page:
    context = context_of(request)
    readiness = readiness_of(context) if viewer else None
    return Page(
        path=_address_of(request),
        viewer=viewer,
        reader=Reader(language_of(request, viewer), time_zone or context.settings.time_zone),
        now=context.clock.now(),
        simulated=context.clock.is_simulated,
        form=form_token(request),
        trouble=readiness if readiness and not readiness.ready else None,
        accessibility=context.accessibility.state(context.clock.now()),
    )


@lru_cache(maxsize=10_000)
def _ago(seconds: int, language: Language) -> str:
    """The devices of a fleet were seen in the same few minutes."""
    text: str = format_timedelta(timedelta(seconds=seconds), add_direction=True, locale=LOCALES[language])
    return text


@cache
def _fingerprint(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def static(name: str) -> str:
    """Address of a static file; it changes with the content, so browsers may cache it for ever."""
    return f"/static/{name}?v={_fingerprint(name)}"


def ticks(text: str) -> Markup:
    """`…` in a text becomes <code>…</code>; everything else is escaped."""
    return Markup(_TICKS.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped just before


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,  # text from devices may be hostile
        undefined=StrictUndefined,
        auto_reload=False,  # else each fragment asks the disk whether its template changed
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(static=static, unit=write_unit, draw_strip=draw_strip)
    environment.filters["ticks"] = ticks
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "ensure_ascii": False, "allow_nan": False}
    return environment


ENVIRONMENT: Final = _environment()


def fragment(template: str, page: Page, **content: Any) -> Markup:
    """A part of a page, as safe HTML."""
    # Autoescaped above.
    text = ENVIRONMENT.get_template(template).render(page=page, t=page.t, n=page.n, **content)
    return Markup(text)  # noqa: S704


def respond(
    request: Request, template: str, page: Page, *, status: int = 200, **content: Any
) -> HTMLResponse:
    """A whole page. A `problem` in its content is put into the reader's language."""
    if isinstance(content.get("problem"), str):
        content["problem"] = page.said(content["problem"])
    body, headers = compress(request, fragment(template, page, **content).encode())
    response = HTMLResponse(body, status_code=status, headers=headers)
    response.headers["Cache-Control"] = "no-store" if page.viewer else "no-cache"
    response.headers["Content-Language"] = page.language
    keep_visit(request, response)
    return response
