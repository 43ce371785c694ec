"""Fixed topics: `[[topic]]` of a registration, and the verb `topics`, which lists and withdraws them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

import typer
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cli.actor import open_acting
from cli.devices import APPLY_TIMEOUT_S, take_effect
from cli.options import JsonOption
from cli.output import say
from cli.reports import aside, show_table
from cli.target import Target
from insitu.errors import CorrectInput, NotFound
from insitu.model import CODE_PATTERN
from insitu.settings import load
from insitu.wire import MARK, MOST_LEVELS
from store.audit import SERVICE, record
from store.catalogue.devices import find_device
from store.catalogue.topics import add_topic, change_topic, find_topic, list_topics, withdraw_topic
from store.shards import layout, require_room

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from store.catalogue.topics import FixedTopic
    from store.database import Connection

Code = Annotated[str, Field(pattern=CODE_PATTERN)]
TAKEN: Final = ("insitu", "spBv1.0", "application", "v3", MARK)
"""First levels with a meaning of their own: devices and network servers have other entries."""
_MOST_BYTES: Final = 500


class TopicEntry(BaseModel):
    """`as`: read as if published to that suffix of the device, or `ignore`; `value`: one plain value."""

    model_config = ConfigDict(extra="forbid")
    trial: Code
    device: Code
    topic: str
    as_: Literal["obs", "status", "senml", "influx", "telemetry", "ignore"] | None = Field(None, alias="as")
    value: str | None = Field(default=None, min_length=1, max_length=128)

    @field_validator("topic")
    @classmethod
    def _can_be_claimed(cls, topic: str) -> str:
        levels = topic.split("/")
        if set(topic) & set("+#") or not topic.isprintable() or len(topic.encode()) > _MOST_BYTES:
            raise ValueError("write one whole topic, without + and # and control characters")
        if topic.startswith("$") or levels[0] in TAKEN or MARK in levels:
            raise ValueError(f"a topic of a device's own may not begin with $, {', '.join(TAKEN)}")
        if not all(level and level not in ("*", ">") for level in levels) or len(levels) > MOST_LEVELS:
            raise ValueError(f"write 1 to {MOST_LEVELS} levels, none of them empty, * or >")
        return topic

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if (self.as_ is None) == (self.value is None):
            raise ValueError('say how it is read: `as = "telemetry"` (or obs, status, ignore, …) or `value`')
        return self

    @property
    def suffix(self) -> str | None:
        return None if self.as_ == "ignore" else self.as_


def enter_topic(
    conn: Connection,
    entry: TopicEntry,
    target: Target,
    now: datetime,
    tell: Callable[[str], None],
    actor: str = SERVICE,
) -> None:
    """Give the topic to the device, or change how it is read. Refuses a topic of another device."""
    device = find_device(conn, entry.trial, entry.device)
    if device.retired_at is not None:
        raise CorrectInput(
            f"{entry.trial}/{entry.device} is retired, so it has no topics: name another device."
        )
    _refuse_blank(entry.topic, target)
    found = find_topic(conn, entry.topic)
    if found is not None and (found.trial, found.device) != (entry.trial, entry.device):
        raise CorrectInput(
            f"{entry.topic} is the topic of {found.trial}/{found.device} already: one topic is one device's. "
            f"`insitu topics --withdraw {entry.topic}` frees it."
        )
    if found is not None and (found.suffix, found.field) == (entry.suffix, entry.value):
        tell(f"there   topic {entry.topic}")
        return
    if found is not None:
        change_topic(conn, entry.topic, suffix=entry.suffix, field=entry.value)
    else:
        add_topic(
            conn,
            topic=entry.topic,
            device_id=device.device_id,
            suffix=entry.suffix,
            field=entry.value,
            now=now,
        )
        require_room(layout(conn), load().window)
    detail = {"topic": entry.topic, "as": entry.as_, "value": entry.value}
    record(conn, at=now, login=actor, action="topic", subject=f"{entry.trial}/{entry.device}", detail=detail)
    word = "entered" if found is None else "changed"
    tell(f"{word} topic {entry.topic}: {entry.trial}/{entry.device}, {_meaning(entry.suffix, entry.value)}")


def _refuse_blank(topic: str, target: Target) -> None:
    if target.running is not None and " " in topic:
        raise CorrectInput(
            f"{topic!r}: the embedded broker cuts off a client that publishes on a topic with a blank. "
            "Rename it in the device."
        )


def _meaning(suffix: str | None, field: str | None) -> str:
    return f"read as {suffix}" if suffix else f"the value of {field}" if field else "ignored"


def await_topics(conn: Connection, target: Target) -> None:
    """Return once devices may publish on their fixed topics; say so if that takes longer."""
    limit = time.monotonic() + APPLY_TIMEOUT_S
    while target.running is not None and not all(one.heard for one in list_topics(conn)):
        conn.rollback()
        if time.monotonic() > limit:
            say("The ingestor does not hear every topic yet: `insitu topics` says which.")
            return
        time.sleep(0.05)
    conn.rollback()
    trouble = take_effect(conn, target)
    if trouble is not None:
        raise trouble


def topics(
    trial: Annotated[str, typer.Option(help="Only those of this trial.")] = "",
    withdraw: Annotated[str, typer.Option(help="Take this topic from its device.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the fixed topics of devices, or withdraw one."""
    target, conn, actor = open_acting("insitu topics")
    with conn:
        if withdraw:
            _withdraw(conn, withdraw, target.clock.now(), actor)
            conn.commit()
            trouble = take_effect(conn, target, tell=aside(as_json))
            if trouble is not None:
                raise trouble
        found = list_topics(conn, trial or None)
    show_table(
        found,
        {
            "topic": lambda one: one.topic,
            "device": lambda one: f"{one.trial}/{one.device}",
            "read as": lambda one: _meaning(one.suffix, one.field),
            "heard": lambda one: "yes" if one.heard else "not yet",
        },
        empty="No device has a fixed topic: a [[topic]] of `insitu register` gives one.",
        as_json=as_json,
    )


def _withdraw(conn: Connection, topic: str, now: datetime, actor: str) -> None:
    found: FixedTopic | None = find_topic(conn, topic)
    if found is None or not withdraw_topic(conn, topic):
        raise NotFound(f"No device has the topic {topic!r}: `insitu topics` lists them.")
    whose = f"{found.trial}/{found.device}"
    record(conn, at=now, login=actor, action="withdraw topic", subject=whose, detail={"topic": topic})
