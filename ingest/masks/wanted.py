"""Which texts of a refused message stay: a mapping or the format asks for them, or they name no person."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from ingest.decode.judgement import BAD, judges, plain_word
from ingest.decode.stray import names_device
from ingest.masks.personal import Kind, find_personal, hide, is_stamp, kind_of_name, kind_of_number, stars
from ingest.stated_units import names_unit
from insitu.unit_words import read_unit
from store.catalogue.snapshot import KnownDevice

_NUMBER: Final = re.compile(r"\s*[+-]?(?:\d{1,18}(?:[.,]\d{0,18})?|[.,]\d{1,18})(?:[eE][+-]?\d{1,3})?\s*")
_TEXT_UNITS: Final = """\
% ‰ °C °F °K °c °f C F K ℃ ℉ Cel degC degF V mV kV A mA µA W kW mW Wh kWh MWh VA kVA var Hz kHz MHz
ohm Ω kΩ dB dBm dBA dB(A) dBi ppm ppb ppt µg/m3 µg/m³ ug/m3 ug/m³ mg/m3 mg/m³ μg/m³ μg/m3 Pa hPa kPa
MPa bar mbar psi mmHg atm lx lux lm µm um mm cm m km ft in m/s km/h kph mph kn kt l L ml mL l/s
l/min l/h m3 m³ m3/h m³/h s sec ms min h hr d J kJ kg g mg t N Nm rpm rad deg ° %RH %rH %HR W/m2
W/m² MJ/m2 µmol/m2/s µS/cm uS/cm mS/cm mg/l mg/L NTU pH Bq/m3 Bq/m³ µSv/h uSv/h
"""
_MEASURE: Final = re.compile(
    r"\s*[<>≤≥~]?=? ?[+-]?(?:\d{1,3}[ ' \u00a0\u202f]\d{3}|\d{1,18})(?:[.,]\d{0,18})?[ \u00a0\u202f]?("
    + "|".join(sorted(map(re.escape, _TEXT_UNITS.split()), key=len, reverse=True))
    + r")?\s*"
)
"""A number as devices print it: with its unit, a blank between thousands, or a limit before it."""
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:?\d\d(?::?\d\d(?:[.,]\d+)?)?(?: ?Z| ?[+-]\d\d:?\d\d)?)?"
    r"|\d\d[/.]\d\d[/.]\d{4}(?: \d\d:\d\d(?::\d\d)?)?|\d\d:\d\d(?::\d\d)?"
)
_CODE: Final = re.compile(r"[\w.:/%°²³*()+-]{1,40}")
_TEXT_WORDS: Final = """\
true false on off yes no y n open opened closed close shut ok error err fault fail failed alarm alert
none null nan na n/a inf infinity high low normal unknown missing invalid active inactive idle busy free
occupied present absent online offline enabled disabled up down start stop started stopped running
charging battery mains external forward reverse left right north south east west dry wet motion oui non
marche arrêt arret ouvert ouverte fermé fermée ferme erreur défaut defaut libre occupé occupée présent
absente vrai faux haut bas actif inactif alarme inconnu manquant sec mouillé
"""
_WORDS: Final = frozenset(_TEXT_WORDS.split())
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_CUTS: Final = (200, 120, 80, 60, 40, 20)
"""Lengths to which sentences cut what they quote."""
_MOST_GONE: Final = 500
_LONGEST_NAME: Final = 64
_TEXT_OF_NAMING: Final = """\
n bn u bu name key property parameter value_type id type sensor channel measurement metric unit
measurementId measurementid code kind quantity
"""
NAMING: Final = frozenset(_TEXT_OF_NAMING.split())
"""Keys whose text names the result beside it, in a list of objects."""
_TEXT_OF_FORMAT: Final = """\
time ts timestamp date datetime nsTime gwTime received_at boot property unit u state devEui dev_eui
devAddr dev_addr joinEui join_eui gatewayId gateway_id eui device_id application_id deviceProfileId
region region_config_id
"""
_OF_FORMAT: Final = frozenset(_TEXT_OF_FORMAT.split())
"""Keys that the formats themselves define: addresses of devices and gateways in their proper place."""
_TEXT_ADDRESSES: Final = """\
devEui dev_eui devAddr dev_addr joinEui join_eui gatewayId gateway_id eui device_id boot bn
"""
_ADDRESSES: Final = frozenset(_TEXT_ADDRESSES.split())


@dataclass(frozen=True, slots=True)
class Wanted:
    """`names`: of fields that a datastream or mapping of the device has, and of the keys that select in
    lists. `words`: that its mappings read. `allowed`: names or patterns whose texts the trial keeps for some
    days.
    """

    names: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    allowed: tuple[str, ...] = ()

    def keeps(self, path: str, text: str, *, in_list: bool) -> bool:
        """True if the text of the field `path` may stay. A text that identifies a person never may."""
        leaf = path.rpartition(".")[2]
        if leaf in _ADDRESSES:
            return _is_address(text, is_boot=leaf == "boot")
        if kind_of_name(path) is not None:
            return False
        if is_stamp(text):
            return True
        if next(find_personal(text), None) is not None:
            return False
        return (
            len(text) < 2
            or text.strip().casefold() in _WORDS
            or text.strip().casefold() in self.words
            or _NUMBER.fullmatch(text) is not None
            or _MEASURE.fullmatch(text) is not None
            or _TIME.fullmatch(text.strip()) is not None
            or (names_unit(leaf) and read_unit(text) is not None)
            or (plain_word(text) in BAD and judges(path))
            or (
                (leaf in _OF_FORMAT or leaf in self.names or names_device(leaf))
                and _CODE.fullmatch(text) is not None
            )
            or (in_list and leaf in NAMING and len(text) <= _LONGEST_NAME)
            or self.allows(path)
        )

    def kind_of(self, path: str, digits: str) -> Kind | None:
        """Why a number may not stay; None: it may."""
        leaf = path.rpartition(".")[2]
        return None if leaf in self.names or self.allows(path) else kind_of_number(path, digits)

    def allows(self, path: str) -> bool:
        leaf = path.rpartition(".")[2]
        return any(fnmatchcase(path, one) or fnmatchcase(leaf, one) for one in self.allowed)


def _is_address(text: str, *, is_boot: bool) -> bool:
    """An address of a device may look like a MAC or an IMEI. A boot is a text of any form."""
    if len(text) > 64 or not (is_boot or _CODE.fullmatch(text)):
        return False
    return all(one.kind in (Kind.MAC, Kind.IMEI) for one in find_personal(text))


NOTHING: Final = Wanted()


def wanted_of(known: KnownDevice | None, allowed: Iterable[str] = ()) -> Wanted:
    if known is None:
        return Wanted(allowed=tuple(allowed))
    if not known.rules and not allowed:
        return _wanted_names(tuple(known.datastreams))
    read = {name: rule for name, rule in known.rules.items() if not rule.ignore}
    texts = {
        text.casefold()
        for rule in read.values()
        for text in (*rule.true, *rule.false, *rule.missing, *rule.expect)
        if isinstance(text, str)
    }
    timers = {rule.time_field for rule in read.values() if rule.time_field}
    names = frozenset(part for name in (*known.datastreams, *read, *timers) for part in _parts(name))
    return Wanted(names, frozenset(texts), tuple(allowed))


@lru_cache(maxsize=1024)
def _wanted_names(names: tuple[str, ...]) -> Wanted:
    """Of nearly every device: a mapping asks for nothing. The same object for devices with the same names."""
    return Wanted(frozenset(part for name in names for part in _parts(name)))


@lru_cache(maxsize=4096)
def _is_harmless(name: str) -> bool:
    """True for nearly every name of a field; devices send the same ones all the time."""
    return next(find_personal(name), None) is None


@lru_cache(maxsize=4096)
def _parts(name: str) -> tuple[str, ...]:
    """The last key of a field's name, and the keys by which it selects."""
    keys = re.findall(r"([^\[\],=]+)=", name)
    last = re.sub(r"\[[^\]]*\]", "", name).rpartition(".")[2]
    return (last, *(key.strip() for key in keys)) if last else tuple(keys)


@dataclass(slots=True)
class Masked:
    """Findings in one payload. `gone`: the texts that stars replace."""

    kinds: set[Kind] = field(default_factory=set)
    gone: list[str] = field(default_factory=list)

    def cover(self, text: str) -> str:
        """Stars for the whole text."""
        self.kinds |= {one.kind for one in find_personal(text)}
        self.gone.append(text)
        return stars(text)

    def clean(self, text: str) -> str:
        """The text with stars where it names a person."""
        hidden, kinds = hide(text)
        if kinds:
            self.kinds |= kinds
            self.gone += [text[one.start : one.end] for one in find_personal(text)]
        return hidden

    def name(self, text: str) -> str:
        """The same for a key. Numbered, since two keys of an object must stay two."""
        if len(text) <= _LONGEST_NAME and _is_harmless(text):
            return text
        hidden = self.clean(text)
        if hidden == text:
            return text
        number = str(len(self.gone))
        return hidden.replace("*" * (len(number) + 1), f"*{number}", 1)

    def scrub(self, text: str) -> str:
        """A sentence about the message without what is gone from it, also where it quotes the beginning."""
        if not self.gone:
            return hide(text)[0]
        gone = sorted({one for one in self.gone if len(one) > 2}, key=len, reverse=True)[:_MOST_GONE]

        def without(quoted: re.Match[str]) -> str:
            said = quoted[0]
            for one in gone:
                for length in (len(one), *(cut for cut in _CUTS if cut < len(one))):
                    said = said.replace(one[:length], stars(one[:length]))
            return said

        return hide(_QUOTED.sub(without, text))[0]
