"""Files with the oddities of spreadsheets and exports, each with its truth: a second generator, from the
standard library alone. It shares no code and no table with the reader, nor with `logger_files`.

A file is a list of texts that are joined; what each row means is kept beside it, in UTC and in the unit of
the property. Summer time of Europe/Paris in 2026 is written out by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

_SUMMER: Final = (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC))
_NBSP, _THIN = "\u00a0", "\u202f"
ODDITIES: Final = (
    "sep line",
    "byte-order mark",
    "mixed line ends",
    "no last line end",
    "blank lines",
    "comments between",
    "head again",
    "footer",
    "sums between",
    "zero bytes",
    "lines above",
    "empty column",
    "trailing marks",
    "quoted",
    "units behind",
    "below detection",
    "plus minus",
    "direction words",
    "thousands",
    "remarks",
    "missing words",
)
TIMES: Final = (
    "iso",
    "iso T",
    "iso Z",
    "iso offset",
    "compact",
    "week date",
    "day first",
    "points",
    "month first",
    "half day",
    "epoch s",
    "epoch ms",
    "two columns",
    "day of year",
    "hour 24",
    "serial",
    "no seconds",
)
_ZONES: Final = ("Europe/Paris", "+01:00", "UTC")


@dataclass
class OddFile:
    """`said`: options as the user gives them. `truth`: (datastream, UTC) → result. `odd`: what it has."""

    content: bytes = b""
    said: dict[str, object] = field(default_factory=dict)
    truth: dict[tuple[str, str], float] = field(default_factory=dict)
    odd: set[str] = field(default_factory=set)
    times: str = ""
    text: str = ""


def offset_of(when: datetime, zone: str) -> timedelta:
    if zone == "UTC":
        return timedelta()
    is_summer = zone == "Europe/Paris" and _SUMMER[0] <= when < _SUMMER[1]
    return timedelta(hours=2 if is_summer else 1)


def draw(seed: int) -> OddFile:
    return _Writer(Random(seed)).write()


class _Writer:
    def __init__(self, random: Random) -> None:
        self.r = random
        self.file = OddFile()
        self.mark = random.choice([";", ";", ",", "\t", "|"])
        self.comma = self.mark != "," and random.random() < 0.5
        self.zone = random.choice(_ZONES)
        self.file.times = random.choice(TIMES)
        self.file.odd = set(random.sample(ODDITIES, random.choice([0, 1, 1, 2, 2, 3])))
        if self.comma is False and "thousands" in self.file.odd and self.mark == ",":
            self.file.odd.discard("thousands")
        states_clock = self.file.times in ("iso Z", "iso offset", "epoch s", "epoch ms")
        self.file.said = {} if states_clock and random.random() < 0.7 else {"zone": self.zone}
        self.every = random.choice([15, 30, 60, 360])
        self.start = random.choice(
            [
                datetime(2026, 3, 13, 6, tzinfo=UTC),
                datetime(2026, 3, 28, 20, tzinfo=UTC),
                datetime(2026, 10, 24, 22, tzinfo=UTC),
                datetime(2026, 4, 3, 0, tzinfo=UTC),
                datetime(2026, 12, 31, 20, tzinfo=UTC) - timedelta(days=365),
            ]
        )

    def has(self, oddity: str) -> bool:
        return oddity in self.file.odd

    # -- cells

    def number(self, given: float) -> str:
        text = f"{given:.1f}"
        if self.has("thousands") and given >= 1000:
            whole, _, part = text.partition(".")
            return f"{whole[:-3]}{self.r_mark}{whole[-3:]}{',' if self.comma else '.'}{part}"
        return text.replace(".", ",") if self.comma else text

    def cells(self, when: datetime) -> list[str]:
        local = when + offset_of(when, self.zone)
        midnight = local.hour == local.minute == 0
        made: dict[str, Callable[[], list[str]]] = {
            "iso": lambda: [f"{local:%Y-%m-%d %H:%M:%S}"],
            "iso T": lambda: [f"{local:%Y-%m-%dT%H:%M:%S}"],
            "iso Z": lambda: [f"{when:%Y-%m-%dT%H:%M:%SZ}"],
            "iso offset": lambda: [f"{when + timedelta(hours=3):%Y-%m-%dT%H:%M:%S}+03:00"],
            "compact": lambda: [f"{local:%Y%m%d%H%M%S}"],
            "week date": lambda: ["{}-W{:02}-{}".format(*local.isocalendar()) + f"T{local:%H:%M}"],
            "day first": lambda: [f"{local:%d/%m/%Y %H:%M}"],
            "points": lambda: [f"{local:%d.%m.%Y %H:%M}"],
            "month first": lambda: [f"{local:%m/%d/%Y %H:%M}"],
            "half day": lambda: [f"{local:%d/%m/%Y %I:%M %p}"],
            "epoch s": lambda: [f"{when.timestamp():.0f}"],
            "epoch ms": lambda: [f"{when.timestamp() * 1000:.0f}"],
            "two columns": lambda: [f"{local:%d/%m/%Y}", f"{local:%H:%M:%S}"],
            "day of year": lambda: [f"{local:%Y}", str(local.timetuple().tm_yday), f"{local:%H%M}"],
            "hour 24": lambda: [
                f"{local - timedelta(days=1):%Y-%m-%d} 24:00" if midnight else f"{local:%Y-%m-%d %H:%M}"
            ],
            "serial": lambda: [self.serial(local)],
            "no seconds": lambda: [f"{local:%Y-%m-%d %H:%M}"],
        }
        return made[self.file.times]()

    def serial(self, local: datetime) -> str:
        text = f"{(local - datetime(1899, 12, 30, tzinfo=UTC)).total_seconds() / 86_400:.8f}"
        return text.replace(".", ",") if self.comma else text

    def header(self) -> list[str]:
        time = {
            "two columns": ["Date", "Time"],
            "day of year": ["Year", "Day", "HHMM"],
        }.get(self.file.times, [self.r.choice(["time", "Timestamp", "Horodatage", "Date/Heure", "datetime"])])
        if self.file.times == "day of year":
            self.file.said |= {"time_columns": ["Year", "Day", "HHMM"], "time_format": "%Y %j %H%M"}
        if self.file.times == "serial":
            self.file.said["time_format"] = "excel"
        names = [*time, "temperature (°C)", "pressure [hPa]"]
        if self.has("empty column"):
            names.insert(len(time) + 1, "")
        if self.has("remarks"):
            names.append("Remarque")
        if self.has("direction words"):
            names.append("Wind")
        return names

    # -- the file

    def write(self) -> OddFile:
        r, out = self.r, list[str]()
        self.r_mark = r.choice([_NBSP, _THIN, "." if self.comma else "'"])
        header = self.header()
        head = self.line(header)
        if self.has("sep line"):
            out.append(f"sep={self.mark}")
        if self.has("lines above"):
            out += ["Rapport de mesure", f"Station{self.mark}Quai 3", ""][: r.choice([1, 2, 3])]
        out.append(head)
        count = r.choice([8, 20, 40])
        for number in range(count):
            out.append(self.row(self.start + timedelta(minutes=self.every * number), number, len(header)))
            if self.has("blank lines") and r.random() < 0.1:
                out.append("")
            if self.has("comments between") and number == count // 2:
                out.append("# battery changed, door closed again")
            if self.has("head again") and number == count // 2:
                out.append(head)
            if self.has("sums between") and number % 8 == 7:
                out.append(self.summary(len(header)))
        if self.has("footer"):
            out.append(r.choice(["Fin du fichier", "End of file", self.summary(len(header))]))
        self.file.text = self.joined(out)
        self.file.content = self.file.text.encode("utf-8-sig" if self.has("byte-order mark") else "utf-8")
        if self.has("zero bytes"):
            self.file.content += b"\0" * r.choice([1, 16, 5000])
        return self.file

    def summary(self, width: int) -> str:
        word = self.r.choice(["Moyenne", "Total", "Mean", "Max"])
        return self.line([word, *("99" for _ in range(width - 1))])

    def line(self, cells: list[str]) -> str:
        quoted = self.has("quoted")
        texts = [f'"{cell}"' if quoted and (cell or self.r.random() < 0.5) else cell for cell in cells]
        return self.mark.join(texts) + (self.mark * 2 if self.has("trailing marks") else "")

    def row(self, when: datetime, number: int, width: int) -> str:
        cells = self.cells(when)
        stamp = f"{when:%Y-%m-%dT%H:%M:%S}"
        tenths = {"temperature": 155 + 10 * (number % 9) + number, "pressure": 9955 + 10 * (number % 13)}
        texts = []
        for name, given in ((name, tenth / 10) for name, tenth in tenths.items()):
            text, kept = self.result(name, given, number)
            texts.append(text)
            if kept:
                self.file.truth[name, stamp] = given
        if self.has("empty column"):
            texts.insert(1, "")
        if self.has("remarks"):
            texts.append("porte ouverte; vent" if self.has("quoted") and number % 7 == 3 else "")
        if self.has("direction words"):
            texts.append(["N", "NNE", "SW", ""][number % 4])
        return self.line([*cells, *texts])

    def result(self, name: str, given: float, number: int) -> tuple[str, bool]:
        """(cell, whether it states a result)."""
        text = self.number(given)
        if self.has("missing words") and number % 5 == 2:
            return self.r.choice(["NA", "n/a", "-", "", "NaN", "---", "#N/A"]), False
        if self.has("below detection") and name == "temperature" and number % 6 == 1:
            return f"<{text}", False
        if self.has("plus minus") and name == "temperature" and number % 6 == 1:
            return f"{text} ± 0{',' if self.comma else '.'}2", False
        if self.has("units behind"):
            return f"{text} {'°C' if name == 'temperature' else 'hPa'}", True
        return text, True

    def joined(self, lines: list[str]) -> str:
        ends = ["\r\n", "\n"] if self.has("mixed line ends") else [self.r.choice(["\n", "\r\n"])]
        text = "".join(line + self.r.choice(ends) for line in lines)
        return text.rstrip("\r\n") if self.has("no last line end") else text
