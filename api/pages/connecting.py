"""The way from the invitation to the first result: what a device measures, where it is, and how often it
sends.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse

from api.access import Signed, require_form_token
from api.acting import acting
from api.context import Conn, Context, Ctx
from api.enrolling import give, require_connectable
from api.pages.arrivals import show_given
from api.pages.local_times import read_local_or_none
from api.pages.words import EVERY
from api.rendering import page_of, respond
from ingest.acts.enrolling import MOST_POSITION, Enrolment, SayMeasure, SaySite
from ingest.mapping_entry import read_interval
from insitu.errors import AlreadyExists, CorrectInput, NotFound
from insitu.model import CODE_PATTERN
from store.access import Viewer
from store.catalogue.datastreams import list_datastreams
from store.catalogue.properties import ObservedProperty, list_properties
from store.catalogue.sites import Site, list_possible_sites
from store.catalogue.trials import Trial
from store.database import Connection
from store.mappings import fields_of, mappings_of_trial
from store.read.fleet import list_devices
from store.trials import protocols

router = APIRouter()
Text = Annotated[str, Form(max_length=500)]


@dataclass(frozen=True, slots=True)
class Choices:
    """Choices that the form offers. `own`: properties that the trial plans or measures; `others`:
    the rest.
    """

    trial: Trial
    sites: list[Site]
    own: list[ObservedProperty]
    others: list[ObservedProperty]
    is_mapped: bool
    """The trial's mappings say what every new device measures."""
    suggested: str


@dataclass(frozen=True, slots=True)
class Filled:
    """The form as the reader has filled it in."""

    device: str = ""
    properties: tuple[str, ...] = ()
    fields: str = ""
    site: str = ""
    position: str = ""
    every: str = "PT15M"
    since: str = ""
    """A local time of the trial; empty: from now on."""

    def enrolment(self, trial: Trial) -> Enrolment:
        try:
            every = read_interval(self.every)
        except ValueError as error:
            raise CorrectInput(f"{error}.") from None
        measure = [*self.properties, *self.fields.split()]
        named = {text.partition("=")[2] for text in self.fields.split()}
        return Enrolment(
            trial.code,
            self.device.strip(),
            [text for text in measure if text not in named],
            self.site,
            self.position.strip(),
            every,
            is_new=True,
            since=read_local_or_none(self.since, trial.time_zone),
        )


def load_choices(conn: Connection, viewer: Viewer, trial: str, context: Context) -> Choices:
    """Raises NotFound for those who do not connect devices of the trial."""
    found = require_connectable(conn, viewer, trial)
    stored = protocols(conn, found.code)
    planned = {one["property"] for one in json.loads(stored[0].document)["endpoints"]} if stored else set()
    planned |= {stream.property for stream in list_datastreams(conn, found.code)}
    mappings = mappings_of_trial(conn, found.code)
    planned |= {one.property for one in mappings if one.property}
    known = list_properties(conn)
    taken = {one.device for one in list_devices(conn, viewer, now=context.clock.now(), trial=found.code)}
    suggested = next(code for n in range(1, len(taken) + 2) if (code := f"device-{n}") not in taken)
    return Choices(
        found,
        list_possible_sites(conn, found.code),
        [one for one in known if one.code in planned],
        [one for one in known if one.code not in planned],
        bool(fields_of(mappings, suggested)),
        suggested,
    )


@router.get("/trials/{trial}/connect", response_class=HTMLResponse)
def connect_page(request: Request, trial: str, conn: Conn, context: Ctx, viewer: Signed) -> HTMLResponse:
    """The form: what the device measures, where it is, and how often it sends."""
    choices = load_choices(conn, viewer, trial, context)
    only = choices.sites[0].code if len(choices.sites) == 1 else ""
    likely = choices.own or choices.others if len(choices.own + choices.others) == 1 else choices.own
    chosen = () if choices.is_mapped else tuple(one.code for one in likely[:1])
    filled = Filled(choices.suggested, chosen, site=only)
    return _show_form(request, viewer, choices, filled)


def _show_form(
    request: Request, viewer: Viewer, choices: Choices, filled: Filled, problem: str = ""
) -> HTMLResponse:
    return respond(
        request,
        "connect.j2",
        page_of(request, viewer, choices.trial.time_zone),
        status=400 if problem else 200,
        choices=choices,
        filled=filled,
        every=EVERY,
        problem=problem,
        pattern=CODE_PATTERN.strip("^$").replace("_-]", r"_\-]"),
        most_position=MOST_POSITION,
    )


@router.post(
    "/trials/{trial}/connect", response_class=HTMLResponse, dependencies=[Depends(require_form_token)]
)
async def post_connect(
    request: Request,
    trial: str,
    context: Ctx,
    viewer: Signed,
    device: Text = "",
    properties: Annotated[list[str], Form(max_length=100)] = [],  # noqa: B006 - FastAPI copies it
    fields: Text = "",
    site: Text = "",
    position: Text = "",
    every: Annotated[str, Form(max_length=40)] = "PT15M",
    since: Annotated[str, Form(max_length=40)] = "",
) -> HTMLResponse:
    """Register the device, and show its token this once, beside snippets that run as they are."""
    choices = await acting(request, lambda conn: load_choices(conn, viewer, trial, context))
    filled = Filled(device, tuple(properties), fields, site, position, every, since)
    page = page_of(request, viewer, choices.trial.time_zone)
    try:
        if not site:
            raise SaySite()
        made = await give(request, viewer, filled.enrolment(choices.trial))
    except SaySite:
        problem = page.t("Choose the site of the device.")
    except SayMeasure:
        problem = page.t("Choose at least one property that the device measures.")
    except AlreadyExists:
        problem = page.t(
            "The trial has a device {device} already: choose another name.", device=device.strip()
        )
    except (CorrectInput, NotFound) as error:
        problem = str(error)
    else:
        return await show_given(request, context, viewer, made)
    return _show_form(request, viewer, choices, filled, problem)
