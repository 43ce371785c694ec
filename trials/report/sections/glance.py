"""The trial at a glance, on the first page: what was tested, where, when, by which plan, how far the answer
can be trusted, and who answers for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from insitu.zones import zone_or_utc
from trials.evaluation import MissingSummary
from trials.report.blocks import PageBreak, Paragraph, Table
from trials.report.labels import GLANCE_WORDS
from trials.report.words import WORDS
from trials.report.writer import Writer

_MOST_NAMES = 12
"""More names than that are counted here, and named in the tables of sensors and arms."""


def glance(w: Writer) -> None:
    """One table, and the end of the first page."""
    rows = [[w._(WORDS[key]), text] for key, text in _rows(w) if text]
    parties = [(role, w.e.organisations.get(role)) for role in ("company", "host")]
    rows[:0] = [[w._(WORDS[role]), name] for role, name in parties if name]
    caption = w._("The trial at a glance.")
    w.add(Table(caption, [w._(WORDS["about"]), w._(WORDS["in_this_trial"])], rows))
    w.add(Paragraph(w._("Time zone: {zone}.").format(zone=w.e.time_zone), "small"))
    w.add(PageBreak())


def _rows(w: Writer) -> Iterator[tuple[str, str]]:
    arms = w.e.protocol["arms"]
    yield "tested", " ".join(_arm(w, arm) for arm in arms if arm["role"] == "candidate")
    beside = [_arm(w, arm) for arm in arms if arm["role"] != "candidate"]
    yield "compared", " ".join(beside) or w._("No device: the result is compared with the target alone.")
    yield "where", ", ".join(w.e.sites.values())
    between = "\u00a0; " if w.reader.language == "fr" else "; "
    periods = between.join(_period(w, period) for period in w.e.protocol["periods"])
    yield "when", periods[:1].upper() + periods[1:] + "."
    yield "plan", _plan(w)
    yield "answer_rests", _capture(w)
    yield "reservations", _reservations(w)
    yield "tipping", _missing(w)
    yield "others", _others(w)
    yield "number", w.model.number
    yield "evaluated_at", w.reader.written_moment(w.e.evaluated_at)
    yield "signed", _signed(w)


# -- what was tested, and when


def _arm(w: Writer, arm: dict[str, Any]) -> str:
    devices = arm["devices"]
    names = ", ".join(devices) if len(devices) <= _MOST_NAMES else w._("named below, in the table of arms")
    later = _swapped(w, devices)
    text = w._("{devices} in arm {arm} ({role}): {names}. {sensors}")
    told = text.format(
        devices=w.counted_as(GLANCE_WORDS["devices"], len(devices)),
        arm=arm["name"],
        role=w._(WORDS[arm["role"]]),
        names=names,
        sensors=_sensors(w, [*devices, *(new for _, new in later)]),
    )
    swaps = [w._("Later {new} in place of {old}.").format(old=old, new=new) for old, new in later]
    return " ".join([told.strip(), *swaps])


def _swapped(w: Writer, devices: Sequence[str]) -> list[tuple[str, str]]:
    """(old, new) of the swaps at the positions of these devices, in order."""
    there, found = set(devices), []
    for new, old in w.stands_in.items():
        if old in there:
            there.add(new)
            found.append((old, new))
    return found


def _sensors(w: Writer, devices: Sequence[str]) -> str:
    """Each make and model with the serial numbers that were in these devices, in their order."""
    serials: dict[str, list[str]] = {}
    place = {device: number for number, device in enumerate(devices)}
    own = [one for one in w.e.sensors or [] if one.device in place]
    for one in sorted(own, key=lambda one: place[one.device]):
        serials.setdefault(f"{one.make} {one.model}", []).append(one.serial)
    if not serials:
        return w._("Make and model are not entered.")
    told = []
    for model, numbers in serials.items():
        entered = list(dict.fromkeys(number for number in numbers if number))
        if not entered:
            told.append(w._("{model} (no serial number entered)").format(model=model))
        elif len(entered) > _MOST_NAMES:
            text = w._("{model} ({n} serial numbers, in the table of sensors)")
            told.append(text.format(model=model, n=w.count(len(entered))))
        else:
            text = w._("{model} (serial numbers {serials})")
            told.append(text.format(model=model, serials=", ".join(entered)))
    return w._("Sensors: {sensors}.").format(sensors=", ".join(told))


def _period(w: Writer, period: dict[str, Any]) -> str:
    zone = zone_or_utc(w.e.time_zone)
    start, end = (datetime.fromisoformat(period[edge]).astimezone(zone) for edge in ("start", "end"))
    if start.time() != time() or end.time() != time():
        text = w._("{period} from {start} to {end}")
        written = w.reader.written_moment
        return text.format(period=w._(WORDS[period["name"]]), start=written(start), end=written(end))
    text = w._("{period} from {start} to {end} ({days})")
    return text.format(
        period=w._(WORDS[period["name"]]),
        start=w.reader.written_day(start),
        end=w.reader.written_day(end.date() - timedelta(days=1)),
        days=w.counted_as(GLANCE_WORDS["days"], (end.date() - start.date()).days),
    )


def _plan(w: Writer) -> str:
    """Version, time of the lock, and how long before the reporting period; then its amendments."""
    first = w.e.versions[0].locked_at if w.e.versions else w.e.protocol_locked_at
    if first is None:
        return w._("It was never locked.")
    begins = next(
        (datetime.fromisoformat(p["start"]) for p in w.e.protocol["periods"] if p["name"] == "reporting"),
        None,
    )
    when = w.reader.written_moment(first)
    if begins is None or first >= begins:
        text = w._("Locked on {when}, after the reporting period had begun.").format(when=when)
    else:
        text = w._("Locked on {when}, {before} before the reporting period began.").format(
            when=when, before=_before(w, begins - first, zone_or_utc(w.e.time_zone), first, begins)
        )
    later = len(w.e.versions or []) - 1
    return f"{text} {w.counted_as(GLANCE_WORDS['amendments'], later)}" if later > 0 else text


def _before(w: Writer, apart: timedelta, zone: ZoneInfo, first: datetime, begins: datetime) -> str:
    """Local days between two moments, or hours where there is none."""
    days = (begins.astimezone(zone).date() - first.astimezone(zone).date()).days
    if apart >= timedelta(days=1):
        return w.counted_as(GLANCE_WORDS["days"], days)
    if apart >= timedelta(hours=1):
        return w.counted_as(GLANCE_WORDS["hours"], apart // timedelta(hours=1))
    return w.counted_as(GLANCE_WORDS["minutes"], apart // timedelta(minutes=1))


# -- how far it can be trusted


def _capture(w: Writer) -> str:
    if not w.e.gate:
        return ""
    least = min(w.e.gate, key=lambda gate: gate.share)
    text = w._("At least {share} of the planned intervals are valid in each arm and period.")
    return text.format(share=w.share(least.share))


def _reservations(w: Writer) -> str:
    """Everything that speaks against the result, counted by where it is named."""
    shown = [endpoint for endpoint in w.e.endpoints if not endpoint.blinded]
    warnings = [
        finding
        for findings in (w.e.findings, *(endpoint.findings for endpoint in shown))
        for finding in findings
        if finding.severity != "note"
    ]
    numbers = {
        "afterwards": len(w.e.afterwards or []),
        "deviations": len(w.e.deviations),
        "warnings": len(warnings),
    }
    counted = [w.counted_as(GLANCE_WORDS[name], number) for name, number in numbers.items() if number]
    if not counted:
        return w._("None: nothing deviated from the plan, and no check of the result warns.")
    whole = w.counted_as(GLANCE_WORDS["reservations"], sum(numbers.values()))
    return w._("{whole}: {counted}.").format(whole=whole, counted=", ".join(counted))


def _missing(w: Writer) -> str:
    """The tipping point of each primary endpoint."""
    told = []
    for endpoint in w.e.endpoints:
        if endpoint.rank != "primary" or endpoint.blinded:
            continue
        found = [w.sentence(one) for one in endpoint.findings if one.code.startswith("tipping_")]
        if not found and endpoint.missing is not None and endpoint.missing.missing == 0:
            found = [w._("No planned interval is missing.")]
        elif not found and endpoint.missing is not None:
            found = [_without(w, endpoint.missing)]
        told += found
    return " ".join(dict.fromkeys(told))


def _without(w: Writer, gone: MissingSummary) -> str:
    text = w._(
        "{n} of {planned} planned intervals are missing ({share}); left out, they leave the verdict as it is."
    )
    share = w.share(gone.missing / gone.planned)
    return text.format(n=w.count(gone.missing), planned=w.count(gone.planned), share=share)


def _others(w: Writer) -> str:
    """In how many other choices a primary endpoint's criterion keeps its verdict."""
    same = number = 0
    for endpoint in w.e.endpoints:
        if endpoint.rank != "primary" or endpoint.blinded:
            continue
        verdicts = {criterion.statistic: criterion.verdict for criterion in endpoint.criteria}
        for other in endpoint.sensitivity:
            if other.verdict is not None and other.statistic in verdicts:
                number += 1
                same += other.verdict is verdicts[other.statistic]
    if not number:
        return ""
    text = w._("{same} of {number} give the same verdict; the table under “Sensitivity” has each.")
    return text.format(same=w.count(same), number=w.count(number))


def _signed(w: Writer) -> str:
    evaluator = w.e.organisations.get("evaluator")
    signature = w._(
        "The trial package, which holds this report, is signed with the key of the laboratory that runs the "
        "service; insitu verify checks the signature."
    )
    if not evaluator:
        return w._("No evaluator is named.") + " " + signature
    return w._("{evaluator}, as evaluator.").format(evaluator=evaluator) + " " + signature
