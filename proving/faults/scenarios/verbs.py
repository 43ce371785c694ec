"""Verbs that are killed in the middle: an import, a lock, an evaluation, an export, jobs. The same command
completes them.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from proving.faults.installation import TRIAL, Failed, Installation, Output
from proving.faults.kills import kill_part
from proving.faults.processes import JOBS, end
from proving.faults.world import World, open_world

DAYS = 40
ROWS = DAYS * 96
DEVICES = ("a", "b")


def _start() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS + 2)


def _catalogue(start: datetime) -> str:
    blocks = [
        f'[[device]]\ntrial = "{TRIAL}"\ncode = "{code}"\nsite = "station-a"\nstart = {start.isoformat()}\n'
        for code in DEVICES
    ]
    return "\n".join(
        [*blocks, f'[[mapping]]\ntrial = "{TRIAL}"\nfield = "pm25"\nproperty = "pm25"\nevery = 900\n']
    )


def _protocol(start: datetime) -> str:
    title = {"en": "Effect", "fr": "Effet"}
    middle, end = start + timedelta(days=DAYS // 2), start + timedelta(days=DAYS)
    text = {
        "trial": TRIAL,
        "title": title,
        "question": title,
        "hypothesis": title,
        "periods": [
            {"name": "baseline", "start": start.isoformat(), "end": middle.isoformat()},
            {"name": "reporting", "start": middle.isoformat(), "end": end.isoformat()},
        ],
        "arms": [
            {"name": "treated", "role": "candidate", "site": "station-a", "devices": ["a"]},
            {"name": "control", "role": "control", "site": "station-a", "devices": ["b"]},
        ],
        "measurements": [{"property": "pm25", "arms": ["treated", "control"], "interval": "PT15M"}],
        "checks": [
            {"property": "pm25", "check": "gross_range", "parameters": {"fail_low": -10, "fail_high": 1000}}
        ],
        "endpoints": [
            {
                "name": "effect",
                "title": title,
                "property": "pm25",
                "unit": "ug/m3",
                "design": "control_sites",
                "arms": {"candidate": "treated", "control": "control"},
                "criteria": [{"statistic": "effect", "target": {"high": -5}, "justification": title}],
            }
        ],
        "missing_data": title,
        "decisions": dict.fromkeys(("met", "not_met", "inconclusive", "not_evaluable"), title),
    }
    return json.dumps(text)


def _card(path: Path, start: datetime, chance: random.Random) -> None:
    lines = ["time,pm25"]
    lines += [
        f"{(start + timedelta(minutes=15 * index)).isoformat()},{chance.uniform(5, 40):.2f}"
        for index in range(ROWS)
    ]
    path.write_text("\n".join(lines), "utf-8")


async def _killed(
    installation: Installation, chance: random.Random, kills: int, longest: float, *verb: str
) -> Output:
    """Kills a verb at random moments, then runs it to its end."""
    for _ in range(kills):
        process = await installation.begin(*verb)
        await asyncio.sleep(chance.uniform(0.3, longest))
        await end(process)
    return await installation.verb(*verb, within=180)


async def _count(world: World, device: str) -> int:
    query = (
        "SELECT coalesce(sum(n), 0) FROM (SELECT datastream_id, 1 AS n FROM observation UNION ALL "
        "SELECT datastream_id, n FROM packed_day) x JOIN datastream USING (datastream_id) JOIN device USING "
        f"(device_id) WHERE device.code = '{device}'"
    )
    return int((await world.probe.database.lines(query))[0])


async def _import(world: World, top: Path, start: datetime, chance: random.Random) -> None:
    for device in DEVICES:
        card = top / f"{device}.csv"
        _card(card, start, chance)
        output = await _killed(
            world.installation, chance, 3, 4.0, "import", str(card), "--trial", TRIAL, "--device", device
        )
        rows = await _count(world, device)
        if output.code or rows != ROWS:
            raise Failed(
                f"import of {ROWS} rows, killed three times, left {rows} and {output.code}: "
                f"{output.text.strip()[-200:]}"
            )


async def killed_verbs(top: Path, chance: random.Random) -> str:
    """SIGKILL of import, lock, evaluate, export and work in the middle; two evaluations at once."""
    installation, start = Installation(top), _start()
    try:
        world = await open_world(installation)
        catalogue, protocol = top / "desk.toml", top / "protocol.json"
        catalogue.write_text(_catalogue(start), "utf-8")
        protocol.write_text(_protocol(start), "utf-8")
        await installation.must("register", str(catalogue))
        await _import(world, top, start, chance)
        said = [f"2 imports of {ROWS} rows"]
        locked = await _killed(installation, chance, 2, 4.0, "lock", str(protocol))
        if locked.code and "already" not in locked.text:
            raise Failed(f"lock: {locked.text.strip()[-300:]}")
        await _killed(installation, chance, 1, 4.0, "work", "--once")
        evaluated = await _killed(installation, chance, 2, 5.0, "evaluate", TRIAL)
        if evaluated.code:
            raise Failed(
                f"evaluate after two kills ended with {evaluated.code}: {evaluated.text.strip()[-300:]}"
            )
        both = await asyncio.gather(*(installation.verb("evaluate", TRIAL, within=180) for _ in range(2)))
        if any("Traceback" in output.text or "defect" in output.text for output in both):
            raise Failed(f"two evaluations at once: {[output.text.strip()[-200:] for output in both]}")
        for index in range(2):
            process = await installation.begin("export", TRIAL, "--to", str(top / f"package-{index}"))
            await asyncio.sleep(chance.uniform(0.5, 4))
            await end(process)
        await installation.must("export", TRIAL, "--to", str(top / "package"), within=180)
        said.append(f"two evaluations at once ended with {both[0].code} and {both[1].code}")
        seconds = await _whole_again(world)
    finally:
        await installation.remove()
    return f"{', '.join(said)}, package written; row {seconds:.1f} s after it"


async def _whole_again(world: World) -> float:
    """Seconds until the row of a fresh device was there; `insitu check` finds nothing."""
    seconds = await world.recovered(15)
    check = await world.installation.verb("check")
    if "BAD" in check.text:
        raise Failed(check.text.strip())
    return seconds


NIGHT = "SELECT content FROM installation WHERE name = 'evaluated_again'"
NIGHTLY = "job:nightly"
EVALUATIONS = "SELECT evaluated_by FROM evaluation ORDER BY evaluation_id"


async def night(top: Path, chance: random.Random) -> str:
    """The jobs are killed again and again while a night's evaluations are made: the night is made up for,
    once.
    """
    installation, start = Installation(top, {"INSITU_NIGHTLY_HOUR": "0"}), _start()
    try:
        world = await open_world(installation)
        await _evaluated(world, top, start, chance)
        card = top / "b.csv"
        _card(card, start, chance)
        await installation.must(
            "import",
            str(card),
            "--trial",
            TRIAL,
            "--device",
            "b",
            "--correct",
            "--reason",
            "the card was read twice",
        )
        yesterday = (datetime.now(UTC) - timedelta(days=2)).date().isoformat()
        await world.probe.database.tell(
            f"UPDATE installation SET content = '{yesterday}' WHERE name = 'evaluated_again'"
        )
        kills = 0
        for _ in range(6):
            kills += await kill_part(JOBS)(world, chance)
            await asyncio.sleep(chance.uniform(0.5, 3.0))
        by = await _made_up_for(world, yesterday)
        if len(by) != 2 or by[0] == NIGHTLY or by[1] != NIGHTLY:
            raise Failed(f"after {kills} kills in a night the evaluations are by {by}")
        seconds = await _whole_again(world)
    finally:
        await installation.remove()
    return f"{kills} kills, one evaluation by the night; row {seconds:.1f} s after it"


async def _evaluated(world: World, top: Path, start: datetime, chance: random.Random) -> None:
    """A trial with data of two devices, a locked protocol and an evaluation."""
    catalogue, protocol = top / "desk.toml", top / "protocol.json"
    catalogue.write_text(_catalogue(start), "utf-8")
    protocol.write_text(_protocol(start), "utf-8")
    await world.installation.must("register", str(catalogue))
    for device in DEVICES:
        card = top / f"{device}.csv"
        _card(card, start, chance)
        await world.installation.must("import", str(card), "--trial", TRIAL, "--device", device)
    await world.installation.must("lock", str(protocol))
    await world.installation.must("work", "--once")
    await world.installation.must("evaluate", TRIAL)


async def _made_up_for(world: World, yesterday: str) -> list[str]:
    """Who made the evaluations, once the night is over. Raises `Failed` where it is not within two
    minutes.
    """
    began = time.monotonic()
    while time.monotonic() - began < 120:
        if await world.probe.database.lines(NIGHT) != [yesterday]:
            return await world.probe.database.lines(EVALUATIONS)
        await asyncio.sleep(0.5)
    raise Failed("the night was not made up for within 120 s")
