"""Events of the trial: capture, deviations, windows, gaps, refusals, other choices."""

from __future__ import annotations

from trials.evaluation import EndpointResult
from trials.report.blocks import Heading, Paragraph, Table
from trials.report.words import WORDS
from trials.report.writer import MOST_GAPS, Writer


def capture(w: Writer) -> None:
    """Planned and valid intervals, and observations by flag."""
    w.add(Heading(w._(WORDS["capture"])))
    titles = {e.name: w.pick(e.title) for e in w.e.endpoints}
    rows = [
        [
            g.arm + (f" ({titles[g.endpoint]})" if g.endpoint else ""),
            w.property(g.property),
            w._(WORDS[str(g.period)]),
            w.count(g.planned),
            w.count(g.excused),
            w.count(g.valid),
            w.share(g.share),
            f"{g.days_valid}/{g.days}",
            "✓" if g.passed else "✗",
        ]
        for g in w.e.gate
    ]
    head = [
        w._(WORDS[k])
        for k in ("arm", "property", "period", "planned", "excused", "valid", "share", "days", "enough")
    ]
    w.add(
        Table(
            w._("Planned and valid intervals; those inside declared windows leave the denominator."),
            head,
            rows,
            (3, 4, 5, 6, 7),
        )
    )
    _flags(w)


def _flags(w: Writer) -> None:
    rows = [
        [
            d.datastream,
            w.unit(d.unit),
            w.count(d.received),
            *(w.count(d.by_flag.get(name, 0)) for name in ("PASS", "SUSPECT", "FAIL", "NOT_EVALUATED")),
            f"{d.checks_run}/{d.checks_planned}",
            w.count(d.late),
        ]
        for d in w.e.datastreams
        if (d.arm is not None or d.device in w.stands_in)
        and any(m["property"] == d.property for m in w.e.protocol["measurements"])
        and d.checks_planned
    ]
    head = [
        w._(WORDS[k])
        for k in (
            "datastream",
            "unit",
            "received",
            "pass",
            "suspect",
            "fail",
            "not_evaluated",
            "checks",
            "late",
        )
    ]
    w.add(
        Table(
            w._("Observations by quality flag, for the datastreams that were checked."),
            head,
            rows,
            (2, 3, 4, 5, 6, 8),
        )
    )


def happened(w: Writer) -> None:
    """Deviations, windows, gaps, refusals, looks and changes."""
    w.add(Heading(w._(WORDS["happened"])))
    if w.e.deviations or w.e.swaps:
        for deviation in w.e.deviations:
            w.add(Paragraph(w.sentence(deviation), "warning"))
    else:
        w.add(Paragraph(w._("Nothing deviated from the protocol.")))
    w.table_or_none(
        w._("Windows."),
        ("kind", "target_of", "start", "end", "reason", "declared"),
        [
            [
                w._(WORDS.get(window.kind, window.kind)),
                window.target,
                w.moment(window.start),
                w.moment(window.end),
                window.reason,
                w.moment(window.declared_at),
            ]
            for window in w.e.windows
        ],
        w._("No window was declared."),
    )
    for stream in w.e.datastreams:
        if stream.from_file:
            text = w._("{datastream}: {n} of {all} results came from a file; how they arrived is not known.")
            n, everything = (w.reader.number(count, 0) for count in (stream.from_file, stream.received))
            w.add(Paragraph(text.format(datastream=stream.datastream, n=n, all=everything)))
    _imports_and_sensors(w)
    _gaps(w)
    w.table_or_none(
        w._("Messages refused at the door, by reason."),
        ("device", "reason", "messages", "results"),
        [[r.device, w.reason(r.reason), w.count(r.messages), w.count(r.results)] for r in w.e.rejects],
        w._("No message was refused."),
    )
    for block in [*w.history.looks(), *w.history.changes()]:
        w.add(block)


def _gaps(w: Writer) -> None:
    """The longest gaps with their causes."""
    longest = sorted(w.e.gaps, key=lambda g: (g.start - g.end, g.device, g.start))[:MOST_GAPS]
    caption = w._("Gaps of the primary endpoints' datastreams, the longest first.")
    if len(longest) < len(w.e.gaps):
        caption = w._(
            "Gaps of the primary endpoints' datastreams: the {n} longest of {all}; evaluation.json has "
            "every one."
        ).format(n=len(longest), all=len(w.e.gaps))
    w.table_or_none(
        caption,
        ("device", "property", "start", "end", "cause", "backfilled"),
        [
            [
                g.device,
                w.property(g.property),
                w.moment(g.start),
                w.moment(g.end),
                w._(WORDS[f"cause_{g.cause}"]),
                w._(WORDS["yes"] if g.backfilled else WORDS["no"]),
            ]
            for g in longest
        ],
        w._("There was no gap."),
    )


def _imports_and_sensors(w: Writer) -> None:
    """Withdrawn results, and the sensors of the devices with their intervals; nothing where there are
    none.
    """
    withdrawn = [
        [
            str(one.import_id),
            one.file,
            one.datastream,
            w.count(one.results),
            w.moment(one.first),
            w.moment(one.last),
            w.moment(one.withdrawn_at),
            one.reason,
        ]
        for one in w.e.withdrawals or []
    ]
    withdrawal_keys = ("import", "file", "datastream", "results", "first", "last", "withdrawn", "reason")
    if withdrawn:
        caption = w._("Imports that were withdrawn; their results are kept and count nowhere.")
        w.add(Table(caption, [w._(WORDS[key]) for key in withdrawal_keys], withdrawn, (3,)))
    shown = {d.datastream.partition("/")[0] for d in w.e.datastreams if d.arm is not None} | set(w.stands_in)
    alike: dict[tuple[str, ...], list[str]] = {}
    for one in w.e.sensors or []:
        if one.device in shown:
            facts = (
                f"{one.make} {one.model}",
                one.serial or "–",
                w.moment(one.calibrated_at),
                one.calibration or "–",
                w.moment(one.start),
                w.moment(one.end),
            )
            alike.setdefault(facts, []).append(one.device)
    sensors = [[", ".join(devices), *facts] for facts, devices in alike.items()]
    keys = ("devices", "sensor", "serial", "calibrated", "calibration", "start", "end")
    if sensors:
        caption = w._("Sensors of the devices, and when each was in its device.")
        kept = [n for n in range(len(keys)) if n < 3 or any(row[n] != "–" for row in sensors)]
        head = [w._(WORDS[keys[n]]) for n in kept]
        w.add(Table(caption, head, [[row[n] for n in kept] for row in sensors]))


def sensitivity(w: Writer) -> None:
    """The endpoints under other choices, a table for each."""
    w.add(Heading(w._(WORDS["sensitivity"])))
    w.add(Paragraph(w._("The same under other choices; none of these decides.")))
    varied = [(endpoint, rows) for endpoint in w.e.endpoints if (rows := _varied(w, endpoint))]
    for endpoint, rows in varied:
        keys = ("choice", "statistic", "estimate", "interval", "verdict")
        caption = w._("Other choices for {title}.").format(title=w.pick(endpoint.title))
        w.add(Table(caption, [w._(WORDS[key]) for key in keys], rows, (2, 3)))
    if not varied:
        w.add(Paragraph(w._("There is nothing to vary.")))


def _varied(w: Writer, endpoint: EndpointResult) -> list[list[str]]:
    shown = {criterion.statistic for criterion in endpoint.criteria[:2]}
    rows = []
    for other in endpoint.sensitivity:
        if other.estimate is None or other.statistic not in shown:
            continue
        name, _, what = other.name.partition(":")
        rows.append(
            [
                w.choice(endpoint.design, name) + (f" {what}" if what else ""),
                w.statistic(other.statistic),
                w.near(other.estimate.value, other.estimate),
                w.interval(other.estimate),
                w.word(other.verdict, None, endpoint.after_the_fact) if other.verdict else "–",
            ]
        )
    return rows
