"""Alerts in words: the subject and the lines of a notice, in the reader's language and time zone.

Names come from people and devices, so each is cut to one plain line before it stands in a text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from babel.dates import format_timedelta

from insitu.language import LOCALES, Language, Reader
from trials.alerting.kinds import AlertKind

LOCALE: Final = Path(__file__).parent / "locale"
LONGEST_NAME: Final = 120
MOST_NAMES: Final = 20
KIND_WORDS: Final = {
    AlertKind.SILENT: "Device silent",
    AlertKind.LATE: "Device late",
    AlertKind.DEGRADED: "Device in trouble, of any kind",
    AlertKind.COMPLETENESS: "Too few results yesterday",
    AlertKind.BATTERY: "Battery low",
    AlertKind.RADIO: "Radio link poor",
    AlertKind.CLOCK: "Clock wrong",
    AlertKind.CHECKS: "Checks fail",
    AlertKind.DATASTREAM: "One measurement silent",
    AlertKind.REJECTS: "Many messages refused",
    AlertKind.DENIED: "Broker denies messages",
    AlertKind.TAKE_OVER: "Another client uses the name of the device",
    AlertKind.OUTAGE: "Outage of Insitu itself",
    AlertKind.DISK: "Disk almost full",
    AlertKind.BACKUP: "Backups overdue or failed",
    AlertKind.DARK_SITE: "Site dark",
    AlertKind.DIGEST: "Weekly summary",
}
LINES: Final = {
    AlertKind.SILENT: "Nothing has come for {span}; the last word came on {when}.",
    AlertKind.LATE: "Nothing has come for {span}; the last word came on {when}.",
    AlertKind.DEGRADED: "It sends, but something is wrong with it. Its page says what.",
    AlertKind.COMPLETENESS: "{percent} % of the planned results came.",
    AlertKind.BATTERY: "The battery is at {percent} %.",
    AlertKind.RADIO: "The radio link is close to its limit.",
    AlertKind.CLOCK: "The clock is {span} off.",
    AlertKind.CHECKS: "More than a tenth of its results fail the checks of quality.",
    AlertKind.DATASTREAM: "It sends, but nothing comes for: {names}.",
    AlertKind.REJECTS: "{refused} of {received} messages of the last day were refused, whole or in part.",
    AlertKind.DENIED: "The broker denied {messages} messages of the last day: the device may not write on "
    "their topic.",
    AlertKind.TAKE_OVER: "Somebody else signs in with its client id, or with a name that belongs to it: a "
    "copy of the device, or a stolen credential.",
    AlertKind.OUTAGE: "Insitu took in no messages. No device is to blame for what is missing since {since}.",
    AlertKind.DISK: "{free} GB of {total} GB are free. Without space nothing is taken in.",
    AlertKind.BACKUP: "{what} `insitu check` on the server says why.",
    AlertKind.DARK_SITE: "{down} of {there} devices fell silent together: {names}.",
}
FAULTS: Final = {
    "overdue": "The newest backup is of {made}, though one is due every {hours} hours.",
    "not_received": "The changes since the backup of {made} are not received.",
    "failed": "The last attempt to make a backup failed; the newest is of {made}.",
    "never": "No backup could be made so far.",
}
"""Faults of the backups → their sentences."""
_ENDED: Final = "Over: {subject}"
_REMINDED: Final = "Reminder: {subject}"
_DEVICE: Final = "{kind}: {device} ({place})"
_SITE: Final = "{kind}: {site}"


@dataclass(frozen=True, slots=True)
class Text:
    """`path`: of the page where the reader acts."""

    subject: str
    lines: list[str] = field(default_factory=list)
    path: str = "/alerts"


def plain(text: str, longest: int = LONGEST_NAME) -> str:
    """One line without control characters, marks of direction and surrogates, at most `longest` letters."""
    kept = "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in text)
    line = " ".join(kept.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


class Words:
    """Writes for one reader."""

    def __init__(self, language: Language, time_zone: str) -> None:
        self.reader = Reader(language, time_zone)
        self._: Callable[[str], str] = self.reader.translator(LOCALE)

    def subject(self, content: dict[str, Any]) -> str:
        kind = self._(KIND_WORDS[AlertKind(content["kind"])])
        if content.get("device"):
            place = plain(
                content.get("site_name") or self.reader.pick(content.get("trial_title") or "") or "–"
            )
            subject = self._(_DEVICE).format(kind=kind, device=plain(content["device"]), place=place)
        elif content.get("site_name"):
            subject = self._(_SITE).format(kind=kind, site=plain(content["site_name"]))
        else:
            subject = kind
        shape = {"resolve": _ENDED, "remind": _REMINDED}.get(content.get("event", "open"))
        return self._(shape).format(subject=subject) if shape else subject

    def line(self, content: dict[str, Any]) -> str:
        """The sentence with the numbers; empty for a kind without one."""
        kind, detail = AlertKind(content["kind"]), content.get("detail") or {}
        if kind not in LINES:
            return ""
        parts: dict[str, str] = {
            "since": self.moment(content["since"]),
            "when": self.moment(detail.get("last_seen_at")),
            "span": self.span(abs(float(detail.get("silence_s") or detail.get("offset_s") or 0))),
            "percent": self.number(_percent(detail), 0),
            "names": self.names(content.get("names") or detail.get("names") or []),
            "free": self.number(float(detail.get("free_bytes", 0)) / 1e9, 1),
            "total": self.number(float(detail.get("total_bytes", 0)) / 1e9, 1),
        }
        if kind is AlertKind.BACKUP:
            parts["what"] = self.fault(detail)
        for name in ("refused", "received", "messages", "down", "there"):
            parts[name] = self.number(float(detail.get(name, 0)), 0)
        return self._(LINES[kind]).format(**parts)

    def fault(self, detail: dict[str, Any]) -> str:
        hours = float(detail.get("every_hours") or 0)
        return self._(FAULTS[detail["fault"]]).format(
            made=self.moment(detail.get("made_at")), hours=self.number(hours, 0 if hours >= 1 else 2)
        )

    def text(self, content: dict[str, Any]) -> Text:
        """The whole notice about an alert."""
        lines = [self.line(content)]
        if content["event"] == "resolve":
            lines = [self._("It began on {when}.").format(when=self.moment(content["since"]))]
            if content.get("resolved_at"):
                ended = self.moment(content["resolved_at"])
                lines = [
                    self._("It lasted from {start} to {end}.").format(
                        start=self.moment(content["since"]), end=ended
                    )
                ]
            if content.get("still"):
                lines.append(self._("Still silent: {names}.").format(names=self.names(content["still"])))
        elif content.get("ended_at"):
            lines.append(
                self._("It lasted from {start} to {end}.").format(
                    start=self.moment(content["since"]), end=self.moment(content["ended_at"])
                )
            )
        else:
            lines.append(self._("Since {when}.").format(when=self.moment(content["since"])))
        if content.get("trial_title"):
            title = plain(self.reader.pick(content["trial_title"]))
            lines.append(self._("Trial: {title} ({code})").format(title=title, code=plain(content["trial"])))
        if content.get("simulated"):
            lines.append(self._("The time is simulated."))
        return Text(self.subject(content), [line for line in lines if line], content.get("path", "/alerts"))

    def test(self, content: dict[str, Any]) -> Text:
        lines = [
            self._("This is a test: alerts for {login} arrive here.").format(login=plain(content["login"]))
        ]
        if content.get("code"):
            lines.append(
                self._("To get them, enter this code on the page of alerts: {code}").format(
                    code=content["code"]
                )
            )
        return Text(self._("Test of your alerts"), lines)

    def digest(self, content: dict[str, Any]) -> Text:
        """`content`: counts of devices by state, of alerts, and the mean share of results (0 to 1)."""
        share = content.get("share")
        lines = [
            self._(
                "Devices: {devices}; sending: {online}; silent or late: {silent}; in trouble: {degraded}."
            ).format(
                **{
                    name: self.number(float(content[name]), 0)
                    for name in ("devices", "online", "silent", "degraded")
                }
            ),
            self._(
                "Alerts of the last seven days: {opened} opened, {resolved} over, {open} still open."
            ).format(
                **{name: self.number(float(content[name]), 0) for name in ("opened", "resolved", "open")}
            ),
        ]
        if share is not None:
            percent = self.number(100 * share, 0)
            lines.append(
                self._("Results of the last 14 days: {percent} % of those planned.").format(percent=percent)
            )
        if content.get("simulated"):
            lines.append(self._("The time is simulated."))
        return Text(self._("Your devices this week"), lines, "/fleet")

    def names(self, names: list[str]) -> str:
        shown = ", ".join(plain(name) for name in names[:MOST_NAMES])
        return f"{shown}, …" if len(names) > MOST_NAMES else shown or "–"

    def moment(self, when: str | None) -> str:
        return self.reader.moment(datetime.fromisoformat(when) if when else None, "medium")

    def number(self, value: float | None, digits: int) -> str:
        return self.reader.number(value, digits)

    def span(self, seconds: float) -> str:
        language: Language = self.reader.language
        text: str = format_timedelta(timedelta(seconds=seconds), threshold=1.5, locale=LOCALES[language])
        return text


def _percent(detail: dict[str, Any]) -> float | None:
    if "battery_percent" in detail:
        return float(detail["battery_percent"])
    return 100 * float(detail["share"]) if "share" in detail else None


def write_text(content: dict[str, Any], event: str, language: str, time_zone: str) -> Text:
    """The text of a notice; `language` fr, or English for anything else."""
    words = Words("fr" if language == "fr" else "en", time_zone)
    if event == "test":
        return words.test(content)
    return words.digest(content) if event == "digest" else words.text(content)
